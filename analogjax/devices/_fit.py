"""Fitting a device to measured curves."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from jax.typing import ArrayLike

from analogjax.devices._check import check_device
from analogjax.devices._device import Device
from analogjax.devices._fit_curve import fit_curve
from analogjax.devices._fit_fields import choose_slots, read_slots
from analogjax.devices._fit_population import report_population
from analogjax.devices._fit_predict import shapes_response
from analogjax.devices._fit_report import FitReport, report_curve
from analogjax.devices._pulsed import PulsedDevice

# Pulses from which white noise can be told from a response, and by how many standard deviations.
_ENOUGH, _SIGMAS = 50, 5.0
# Conductances of memory devices are some to a hundred microsiemens; weights are of order 1.
_SIEMENS, _MICROSIEMENS = 1e-3, 10.0


def fit(
    device: Device,
    pulses: ArrayLike,
    conductance: ArrayLike,
    *,
    fields: Sequence[str] | None = None,
    read_noise: float | None = None,
) -> FitReport:
    r"""Estimates a device's fields from conductances measured along a train of pulses.

    Each measured point is predicted from those before it, and the errors :math:`e_k` of these
    predictions, in units of their standard deviations :math:`s_k`, are made small:

    .. math:: \min_\theta \sum_k e_k^2 / s_k^2, \qquad e_k = y_{k+1} - E[y_{k+1} | y_k, y_{k-1}, ..]

    The noise of a pulse stays in the weight, so that whole simulated curves drift away from
    measured ones, while errors of *one step* are independent: with pulse-to-pulse noise alone,
    the weight before a pulse is the measured one. Read noise, in contrast, does not stay, and
    makes single steps uncertain. It is taken into account, by an extended Kalman filter, if it is
    given or if it shows: in errors that undo the one before, or in small steps that are noisier
    than pulses make them. Without pulse-to-pulse noise the filter compares whole curves. The
    standard deviations are those of the device's own noise law, whose size ``dw_min_std`` is
    estimated in turn with the fields. The intervals follow from the exact Jacobian at the solution:
    they hold if the device's model and noise law do, and for errors small enough to be linear in.

    With the curves of several crosspoints, each is fitted, ``..._dtod`` spreads are estimated from
    the scatter of the estimates less their own variance, and ``corrupt_devices_prob`` is the
    fraction of curves that never move: that are constant or, of 50 points and more, nothing but
    white noise, which follows neither itself nor the pulses.

    Args:
      device: the model, and where the search starts. Its fields that are not fitted are held, so
        bring the bounds and shape near the truth for a model with exponents.
      pulses: direction of each pulse, -1, 0 or +1, ``(n,)``.
      conductance: weights before the first and after each pulse, ``(n + 1,)``, or
        ``(curves, n + 1)``; not in siemens, but normalised: less that of zero weight, and divided
        by what the device calls 1.
      fields: names of the fields to fit, each once; by default all that shape the mean response,
        but for those in ``device.redundant``.
      read_noise: standard deviation of a measurement, in units of the conductance; None to estimate
        it.

    Returns:
      The fitted device with values, intervals and what the data leave undetermined.

    Raises:
      ValueError: if the curves are empty, masked, not finite, of inconsistent lengths, in siemens
        or microsiemens, never move, or fall under up pulses; for other pulses, unknown fields, and
        devices out of their ranges.

    Reference: Gong et al., "Signal and noise extraction from analog memory elements for
    neuromorphic computing", Nat. Commun. 9:2102 (2018), for what is extracted; the estimate is the
    prediction-error method, Ljung, "System Identification" (1999), chapter 7.

    Example:
      >>> import jax, numpy as np
      >>> from analogjax.devices import SoftBounds, fit
      >>> pulses = np.repeat([1, -1, 1], 40)
      >>> device = SoftBounds(dw_min=0.1, w_max=1.0, w_min=-0.8).without_variation()
      >>> cells, w = device.sample(jax.random.key(0), ()), [0.0]
      >>> for pulse in pulses:
      ...     w.append(float(device.apply_pulse(None, cells, w[-1], pulse)))
      >>> report = fit(SoftBounds(), pulses, w)
      >>> {name: round(value, 3) for name, value in report.values.items()}
      {'dw_min': 0.1, 'w_max': 1.0, 'w_min': -0.8, 'up_down': 0.0}
    """
    if not isinstance(device, PulsedDevice):
        name = getattr(device, "__name__", type(device).__name__)
        raise ValueError(
            f"{name} has no pulse response to fit: give a device of a model, such as SoftBounds()."
        )
    check_device(device)
    train, moving, stuck = _check_curves(pulses, conductance)
    if read_noise is not None and not 0 <= read_noise < np.inf:
        raise ValueError(
            f"read_noise must be a standard deviation of at least 0, got {read_noise}; leave it "
            "out to have it estimated."
        )
    if isinstance(fields, str) or (fields is not None and len(set(fields)) < len(fields)):
        raise ValueError(f"fields must be a list of different names, got {fields!r}.")
    slots = choose_slots(device, None if fields is None else tuple(fields))
    if fields is None:
        shape = np.asarray(shapes_response(read_slots(device, slots), slots, device))
        slots = tuple(slot for slot, shapes in zip(slots, shape, strict=True) if shapes)
    with jax.enable_x64(True):
        found = [fit_curve(device, slots, train, curve, read_noise) for curve in moving]
    if len(moving) + stuck > 1:
        share = 1.0 - len(moving) / (len(moving) + stuck)
        device = dataclasses.replace(device, corrupt_devices_prob=share)
    if len(found) == 1:
        return report_curve(device, slots, found[0])
    return report_population(device, slots, found)


def _moves(train: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Which curves move with the pulses, rather than being constant or white noise."""
    spread = np.ptp(curves, axis=1) > 0
    if len(curves) == 1 or len(train) < _ENOUGH:
        return spread
    level = curves - curves.mean(axis=1, keepdims=True)
    # Of white noise alone, each is normal with a standard deviation of 1 / sqrt(n).
    by_itself = _correlation(level[:, :-1], level[:, 1:])
    by_pulses = _correlation(level[:, 1:], np.cumsum(train) - np.cumsum(train).mean())
    by_step = _correlation(np.diff(curves, axis=1), train)
    largest = np.max(np.abs([by_itself, by_pulses, by_step]), axis=0)
    return spread & (largest > _SIGMAS / np.sqrt(len(train)))


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The cosine between the rows of ``a`` and ``b``; 0 where one of them is all zero."""
    size = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return (a * b).sum(axis=-1) / np.where(size > 0, size, 1.0)


def _check_curves(pulses, conductance) -> tuple[np.ndarray, np.ndarray, int]:
    """The pulses, ``(n,)``, the curves that move, ``(curves, n + 1)``, and how many do not."""
    if np.ma.is_masked(pulses) or np.ma.is_masked(conductance):
        raise ValueError("pulses and conductance must not be masked: cut the curves there instead.")
    train = np.asarray(pulses, float)
    curves = np.asarray(conductance, float)
    curves = curves[None] if curves.ndim == 1 else curves
    if train.ndim != 1 or not train.size:
        raise ValueError(
            f"pulses must be a train of at least one pulse, got shape {train.shape}; give one "
            "direction a pulse, the same train for all curves."
        )
    wrong = train[~np.isin(train, (-1, 0, 1))]
    if wrong.size:
        raise ValueError(
            f"pulses must be -1 (down), 0 (none) or +1 (up), got {wrong[0]:g}; write several "
            "pulses between two measurements as several entries."
        )
    if curves.ndim != 2 or curves.shape[1] != len(train) + 1 or not len(curves):
        raise ValueError(
            f"conductance must be one point longer than the {len(train)} pulses, got shape "
            f"{np.shape(conductance)}; put the weight before the first pulse in front."
        )
    if not np.isfinite(curves).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(curves))[0])
        raise ValueError(
            f"conductance must be finite, got {curves[place]} at point {place[1]} of curve "
            f"{place[0]}; leave that curve out or cut it there."
        )
    moving = curves[_moves(train, curves)]
    if not train.any() or not len(moving):
        raise ValueError(
            f"conductance must move under pulses, got values about {curves[0].mean():g} alone; a "
            "stuck crosspoint has no response to fit."
        )
    largest = np.abs(moving).max()
    one_signed = moving.min() >= 0 or moving.max() <= 0
    if largest < _SIEMENS or (one_signed and largest > _MICROSIEMENS):
        unit = "siemens" if largest < _SIEMENS else "microsiemens"
        raise ValueError(
            f"conductance must be normalised, got at most {largest:g}, as in {unit}: subtract that "
            "of zero weight, and divide by what the device calls 1."
        )
    if (np.diff(moving, axis=1) * train).sum() < 0:
        raise ValueError(
            "conductance must rise under up pulses, but the pulses given as +1 lower it: change "
            "their sign."
        )
    return train.astype(int), moving, len(curves) - len(moving)
