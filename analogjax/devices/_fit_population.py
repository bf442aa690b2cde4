"""From the fits of many crosspoints to the means and spreads of their population."""

import collections
import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import stats

from analogjax.devices._fit_curve import CurveFit
from analogjax.devices._fit_fields import Slot, fill_slots, read_slots
from analogjax.devices._fit_report import FitReport, clipped_interval, report_curve

# A size and the imbalance of its two directions, which a crosspoint draws together.
_PAIRS = {"dw_min": "up_down", "pow_gamma": "pow_up_down"}
_ABSOLUTE = ("gamma_up", "gamma_down", "up_down", "pow_up_down", "reference_mean")


class _Estimate(NamedTuple):
    """Of a mean over crosspoints: its value and error; of the spread: value and interval."""

    mean: float
    error: float
    spread: float
    low: float
    high: float


def report_population(device, slots: tuple[Slot, ...], found: list[CurveFit]) -> FitReport:
    """The report of several curves, each of which moves."""
    reports = tuple(report_curve(device, slots, curve) for curve in found)
    undetermined = _undetermined(reports)
    held = {group[0] for group in undetermined}
    names = [slot.name for slot in slots]
    numbers = read_slots(device, slots)
    intervals = dict.fromkeys(names, (-np.inf, np.inf))
    spreads = {}
    for i, estimate in _estimates(device, slots, found, held):
        slot = slots[i]
        numbers[i] = estimate.mean
        intervals[slot.name] = clipped_interval(device, slot, estimate.mean, estimate.error)
        spread = "reference_std" if slot.field == "reference_mean" else f"{slot.field}_dtod"
        if slot.entry is None and hasattr(device, spread):
            spreads[spread] = estimate
    fitted = fill_slots(device, slots, [float(number) for number in numbers])
    cycle_noise = np.sqrt(np.mean([curve.cycle_noise**2 for curve in found]))
    fitted = dataclasses.replace(
        fitted,
        dw_min_std=float(cycle_noise),
        **{name: float(estimate.spread) for name, estimate in spreads.items()},
    )
    values = dict(zip(names, map(float, numbers), strict=True))
    for name, estimate in spreads.items():
        values[name] = float(estimate.spread)
        intervals[name] = (float(estimate.low), float(estimate.high))
    correlations = np.array([report.correlation for report in reports])
    known = np.isfinite(correlations)
    with np.errstate(invalid="ignore"):
        correlation = np.where(known, correlations, 0.0).sum(0) / known.sum(0)
    return FitReport(
        device=fitted,
        values=values,
        intervals=intervals,
        fields=tuple(names),
        correlation=correlation,
        undetermined=undetermined,
        read_noise=float(np.sqrt(np.mean([curve.read_noise**2 for curve in found]))),
        residual=float(np.sqrt(np.mean([curve.residual**2 for curve in found]))),
        curves=reports,
    )


def _undetermined(reports) -> tuple[tuple[str, ...], ...]:
    """For each field that most curves do not determine, its most frequent group."""
    groups = collections.Counter(group for report in reports for group in report.undetermined)
    held: collections.Counter = collections.Counter()
    for group, count in groups.items():
        held[group[0]] += count
    most = [name for name, count in held.items() if 2 * count >= len(reports)]
    return tuple(next(g for g, _ in groups.most_common() if g[0] == name) for name in most)


def _estimates(device, slots, found, held):
    """Places of slots, and what is found of each that at least two curves determine."""
    place = {slot.name: i for i, slot in enumerate(slots) if slot.name not in held}
    paired = {size: other for size, other in _PAIRS.items() if size in place and other in place}
    for name, i in place.items():
        if name in paired:
            j = place[paired[name]]
            log_normal = name == "dw_min" and device.dw_min_dtod_log_normal
            values, covariances = _determined(found, [i, j])
            if len(values) > 1:
                yield from zip((i, j), _pair(values, covariances, log_normal), strict=True)
            continue
        values, covariances = _determined(found, [i])
        if len(values) > 1 and name not in paired.values():
            sizes, variances = values[:, 0], covariances[:, 0, 0]
            if name == "dw_min" and device.dw_min_dtod_log_normal:
                yield i, _alone_log_normal(sizes, variances)
            else:
                yield i, _alone(sizes, variances, slots[i].field in _ABSOLUTE)


def _determined(found, columns) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and covariances of the columns, of the curves that determine all of them."""
    values = np.array([curve.values[columns] for curve in found])
    covariances = np.array([curve.covariance[np.ix_(columns, columns)] for curve in found])
    known = np.isfinite(covariances).all((1, 2))
    return values[known], covariances[known]


def _alone(values, variances, absolute: bool) -> _Estimate:
    mean = values.mean()
    error = values.std(ddof=1) / np.sqrt(len(values))
    return _Estimate(mean, error, *_spread(values, variances, 1.0 if absolute else abs(mean)))


def _alone_log_normal(values, variances) -> _Estimate:
    """Of sizes whose logarithms are normal: the median, and the spread of the logarithms."""
    of_logs = _alone(np.log(values), variances / values**2, absolute=True)
    median = np.exp(of_logs.mean)
    return of_logs._replace(mean=median, error=median * of_logs.error)


def _pair(values, covariances, log_normal: bool) -> tuple[_Estimate, _Estimate]:
    r"""Size and imbalance of a population whose crosspoints draw a gain and an imbalance.

    A crosspoint has :math:`u = s (g + r + \min(i, 0))` and :math:`v = s (g - r - \max(i, 0))`:
    the spread of g is that of (u + v) / 2, and the spread of r is that of (u - v) / 2, whose mean
    is :math:`s i / 2`; s g is the former and the size of that mean.
    """
    size, imbalance = values.T
    up, down = size * (1 + np.minimum(imbalance, 0)), size * (1 - np.maximum(imbalance, 0))
    # Derivatives of u and v by size and imbalance.
    of_up = np.stack([up / size, size * (imbalance < 0)], axis=1)
    of_down = np.stack([down / size, -size * (imbalance >= 0)], axis=1)
    middle, half = (up + down) / 2, (up - down) / 2
    of_middle, of_half = (of_up + of_down) / 2, (of_up - of_down) / 2
    of_middle_variance = np.einsum("ni,nij,nj->n", of_middle, covariances, of_middle)
    of_half_variance = np.einsum("ni,nij,nj->n", of_half, covariances, of_half)

    gains = middle + abs(half.mean())
    larger = np.exp(np.log(gains).mean()) if log_normal else gains.mean()
    centre = larger - abs(half.mean())
    a, b = centre + half.mean(), centre - half.mean()
    by_up_down = np.array([[1.0, 0.0], [b / a**2, -1 / a]] if a >= b else
                          [[0.0, 1.0], [1 / b, -a / b**2]])  # fmt: skip
    errors = np.sqrt(np.diag(by_up_down @ (np.cov(up, down) / len(up)) @ by_up_down.T))
    gain = (
        _spread(np.log(gains), of_middle_variance / gains**2, 1.0)
        if log_normal
        else _spread(middle, of_middle_variance, larger)
    )
    return (
        _Estimate(larger, errors[0], *gain),
        _Estimate((a - b) / larger, errors[1], *_spread(half, of_half_variance, larger)),
    )


def _spread(values, variances, unit) -> tuple[float, float, float]:
    """Standard deviation beyond that of the estimates, with its 95 % interval, in the unit."""
    free = len(values) - 1
    # Few crosspoints leave the upper end far away, as the law of a variance says.
    ends = free / stats.chi2.ppf([0.975, 0.025], free)
    beyond = values.var(ddof=1) * np.array([1.0, *ends]) - variances.mean()
    spread, low, high = np.sqrt(np.maximum(beyond, 0.0)) / unit
    return spread, low, high
