"""The fit of one measured curve."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

from analogjax.devices._fit_fields import (
    Slot,
    read_slots,
    slot_range,
    slot_scale,
)
from analogjax.devices._fit_predict import jacobian, mean_bounds, mean_moves, predict

# A combination of fields that is uncertain by more than half its size is called undetermined.
_LARGEST_ERROR = 0.5
# Points are known to this part of a step at best, so that one at rest has not all the weight.
_RESOLUTION = 1e-2
# A smaller part of a step is no read noise.
_NO_NOISE = 1e-6
_PASSES = 6
# How much better, in twice the log-likelihood, bounds at the ends of the curve have to be.
_CLEARLY = 10.0


class CurveFit(NamedTuple):
    """The fit of one curve.

    Attributes:
      values: estimates, ``(slots,)``; those held are the given device's.
      covariance: of the estimates, ``(slots, slots)``; NaN in the rows and columns of those held.
      undetermined: groups of slots that the curve cannot tell apart; the first of each is held.
      cycle_noise: estimate of ``dw_min_std``.
      read_noise: standard deviation of a measurement, in units of the weight.
      residual: root mean square of the errors of prediction, in units of the weight.
    """

    values: np.ndarray
    covariance: np.ndarray
    undetermined: tuple[tuple[int, ...], ...]
    cycle_noise: float
    read_noise: float
    residual: float


def fit_curve(
    device, slots: tuple[Slot, ...], pulses: np.ndarray, curve: np.ndarray, read_noise: float | None
) -> CurveFit:
    """Fits the slots to a curve, and its read noise where that is not given.

    Args:
      device: where the search starts, and what is held.
      slots: the numbers to fit.
      pulses: -1, 0, +1, ``(n,)``.
      curve: measured weights, ``(n + 1,)``, not all the same.
      read_noise: standard deviation of a measurement; None to estimate it.
    """
    search = _Search(device, slots, pulses, curve)
    if read_noise is not None:
        return search.run(read_noise, refine=False)
    visible = search.visible_read_noise()
    found = search.run(visible, refine=True)
    # Read noise may also be what hides a bound.
    if visible or not (found.undetermined or search.misses_read_noise()):
        return found
    misfit = search.misfit()
    other = search.run(0.3 * search.step, refine=True)
    return other if search.misfit() < misfit else found


class _Search:
    """Weighted least squares, with weights from the noise levels found so far."""

    def __init__(self, device, slots, pulses, curve):
        self.device, self.slots = device, slots
        self.curve = (jnp.asarray(pulses, jnp.int8), jnp.asarray(curve, float))
        self.measured = curve[1:]
        self.width = float(np.ptp(curve))
        self.step = float(np.sqrt(np.mean(np.diff(curve)[pulses != 0] ** 2)))
        self.range = np.array([slot_range(device, slot) for slot in slots]).T
        self.low, self.high = self.range.copy()
        self.given = self._given(curve)
        self.given_cycle = self.cycle = float(device.dw_min_std) or 0.3
        self.read, self.filtered, self.refine = 0.0, False, False
        self.starts = self._starts()

    def _given(self, curve):
        """The given device's values, with bounds that the curve does not go beyond."""
        values = read_slots(self.device, self.slots)
        low, high = (float(end) for end in mean_bounds(values, self.slots, self.device))
        return self._with_bounds(values, min(low, curve.min()), max(high, curve.max()))

    def _arguments(self, values):
        """What the prediction takes, at the noise levels found so far."""
        read = max(self.read, _RESOLUTION * self.step)
        return jnp.asarray(values), self.slots, self.device, self.curve, self.cycle, read

    def _predict(self, values):
        parts = predict(*self._arguments(values), filtered=self.filtered)
        return [np.asarray(part) for part in parts]

    def _jacobian(self, values):
        return np.asarray(jacobian(*self._arguments(values), filtered=self.filtered))

    def _solve(self, values, free, sd):
        """Least squares over the free slots; the cost and all values."""
        scale = self._scale(values)[free]

        def full(x):
            trial = values.copy()
            trial[free] = x * scale
            return trial

        solution = least_squares(
            lambda x: (self.measured - self._predict(full(x))[0]) / sd,
            np.clip(values, self.low, self.high)[free] / scale,
            jac=lambda x: -self._jacobian(full(x))[:, free] * scale / sd[:, None],
            bounds=(self.low[free] / scale, self.high[free] / scale),
            max_nfev=60,
        )
        return solution.cost, full(solution.x)

    def _scale(self, values):
        return np.array(
            [slot_scale(slot, v, self.width) for slot, v in zip(self.slots, values, strict=True)]
        )

    def _starts(self) -> list[np.ndarray]:
        """Equal-weight fits with bounds beyond the curve, and with bounds at its ends."""
        everything = np.arange(len(self.slots))
        inner = [i for i in everything if self.slots[i].field not in ("w_max", "w_min")]
        sd = np.full(len(self.measured), self.step)
        starts = [self._solve(self._guess(0.3 * self.width), everything, sd)]
        if 0 < len(inner) < len(everything):
            starts.append(self._solve(self._guess(0.0), np.array(inner), sd))
        return [values for _, values in starts]

    def _guess(self, margin):
        """The given device with bounds that hold the curve, and steps of its size."""
        curve = np.asarray(self.curve[1])
        values = np.clip(read_slots(self.device, self.slots), self.low, self.high)
        values = self._with_bounds(values, curve.min() - margin, curve.max() + margin)
        names = [slot.field for slot in self.slots]
        if "dw_min" in names:
            place = names.index("dw_min")
            moved = np.asarray(mean_moves(values, self.slots, self.device, self.curve))
            gain = np.sum(np.diff(curve) * moved) / max(np.sum(moved**2), 1e-300)
            values[place] *= np.clip(gain, 1e-6, 1e6)
        return values

    def _with_bounds(self, values, low, high):
        """The values with bounds, where they are fitted, such that the weight reaches so far."""
        reached = mean_bounds(values, self.slots, self.device)
        values = values.copy()
        for i, slot in enumerate(self.slots):
            if slot.field in ("w_min", "w_max"):
                end = slot.field == "w_max"
                wanted, is_now = high if end else low, float(reached[end])
                values[i] = values[i] + wanted - is_now if np.isfinite(is_now) else wanted
        return np.clip(values, self.low, self.high)

    def _reach(self) -> None:
        """Keeps the bounds at or beyond what was measured, where that is without read noise."""
        self.low, self.high = self.range.copy()
        if self.filtered:
            return
        ends = self._with_bounds(self.starts[0], self.curve[1].min(), self.curve[1].max())
        for i, slot in enumerate(self.slots):
            if slot.field == "w_max":
                self.low[i] = ends[i]
            if slot.field == "w_min":
                self.high[i] = ends[i]

    def visible_read_noise(self) -> float:
        """Read noise as it shows in the errors at equal weights; 0 if it does not."""
        errors = [self.measured - self._predict(start)[0] for start in self.starts]
        return _alternation(min(errors, key=lambda e: float(np.sum(e**2))))

    def misses_read_noise(self) -> bool:
        """Whether small steps are noisier, against large ones, than pulses alone can make them."""
        variance = self._predict(self.values)[1]
        relative = self.errors / np.sqrt(variance)
        return np.sum(self.errors**2) < 0.5 * np.sum(variance) or _alternation(relative) > 0.0

    def run(self, read_noise: float, refine: bool) -> CurveFit:
        """Alternates between the slots and the noise, holding slots that are undetermined."""
        self.filtered, self.refine = read_noise > 0, refine
        self._reach()
        free = np.arange(len(self.slots))
        self._best_start(free, read_noise)
        groups: list[tuple[int, ...]] = []
        while free.size:
            scale = self._scale(self.values)[free]
            derivatives = self._jacobian(self._unclipped())[:, free]
            weighted = derivatives * scale / self._noise(free)[:, None]
            group = _weakest(weighted)
            if not group:
                break
            # The size of the steps is the last to be given up.
            confused = sorted(free[list(group)], key=lambda i: self.slots[i].field == "dw_min")
            groups.append(tuple(int(i) for i in confused))
            held = confused[0]
            self.values[held] = self.given[held]
            free = free[free != held]
            self._alternate(free)
        covariance = np.full((len(self.slots),) * 2, np.nan)
        if free.size:
            inverse = np.linalg.inv(weighted.T @ weighted)
            covariance[np.ix_(free, free)] = inverse * np.outer(scale, scale)
        rms = float(np.sqrt(np.mean(self.errors**2)))
        cycle, read = float(self.cycle), float(self.read)
        return CurveFit(self.values, covariance, tuple(groups), cycle, read, rms)

    def _best_start(self, free, read_noise: float) -> None:
        """Goes on from the more likely start."""
        trials = []
        for hard, values in enumerate(self.starts):
            self.values, self.cycle, self.read = values, self.given_cycle, read_noise
            self._alternate(free)
            # Clipping at the ends of the curve has to be seen, rather than not excluded.
            misfit = self.misfit() + hard * _CLEARLY
            trials.append((misfit, self.values, self.cycle, self.read))
        _, self.values, self.cycle, self.read = min(trials, key=lambda trial: trial[0])

    def _unclipped(self):
        """The values, with bounds that the curve does not rest on moved out of its way.

        Whether a bound close by has clipped some points cannot be told from small changes of it.
        Read noise hides whether the curve rests.
        """
        if self.filtered:
            return self.values
        curve = np.asarray(self.curve[1])
        out = self.values.copy()
        room = 4.0 * self.cycle * self.step
        ends = self._with_bounds(out, curve.min() - room, curve.max() + room)
        for i, slot in enumerate(self.slots):
            if slot.field in ("w_min", "w_max"):
                upper = slot.field == "w_max"
                rests = np.abs(curve - (curve.max() if upper else curve.min())) < 1e-6 * self.width
                if rests.sum() < 2:
                    out[i] = max(out[i], ends[i]) if upper else min(out[i], ends[i])
        return out

    def _alternate(self, free) -> None:
        """Fits slots and noise in turn until the slots rest."""
        for _ in range(_PASSES if free.size else 0):
            before = self.values
            self.values = self._solve(before, free, self._noise(free))[1]
            if np.all(np.abs(self.values - before) < 1e-5 * self._scale(before)):
                break

    def misfit(self) -> float:
        """Twice the negative logarithm of the likelihood, but for a constant."""
        mean, variance, _ = self._predict(self.values)
        return float(np.sum((self.measured - mean) ** 2 / variance + np.log(variance)))

    def _noise(self, free):
        """Updates the noise levels by their likelihood; the standard deviations of the points."""
        for _ in range(_PASSES):
            mean, variance, own = self._predict(self.values)
            self.errors = self.measured - mean
            ratio, share = self.errors**2 / variance, own / variance
            if share.sum() > len(free):
                self.cycle *= np.sqrt((share * ratio).sum() / (share.sum() - len(free)))
            if self.refine and self.read > 0:
                part = self.read**2 / variance
                self.read *= np.sqrt((part * ratio).sum() / part.sum())
                # Else it would go on falling until nothing is left to divide by.
                self.read = self.read if self.read > _NO_NOISE * self.step else 0.0
        return np.sqrt(self._predict(self.values)[1])


def _alternation(errors: np.ndarray) -> float:
    """What of the errors undoes itself at the next point, a standard deviation; 0 if it may not be.

    A read error raises one step and lowers the next. The differences of the errors show it also
    where a bound not yet found biases them all.
    """
    changes = np.diff(errors)
    variance = 0.0
    for products in (-errors[1:] * errors[:-1], changes[2:] * changes[:-2]):
        if products.sum() > 2.0 * np.sqrt((products**2).sum()):
            variance = max(variance, float(products.mean()))
    return float(np.sqrt(variance))


def _weakest(jacobian: np.ndarray) -> tuple[int, ...]:
    """The columns of the combination that is too uncertain, strongest part first; or none."""
    _, sizes, combinations = np.linalg.svd(jacobian, full_matrices=True)
    sizes = np.append(sizes, np.zeros(len(combinations) - len(sizes)))
    if sizes[-1] * _LARGEST_ERROR >= 1.0 and sizes[-1] > 1e-9 * sizes[0]:
        return ()
    parts = np.abs(combinations[-1])
    order = np.argsort(-parts)
    return tuple(int(i) for i in order if parts[i] > 0.3 * parts.max())
