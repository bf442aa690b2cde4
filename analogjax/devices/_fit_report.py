"""What a fit found, and how well."""

import dataclasses
from typing import NamedTuple

import numpy as np

from analogjax.devices._fit_curve import CurveFit
from analogjax.devices._fit_fields import Slot, fill_slots, slot_range
from analogjax.devices._pulsed import PulsedDevice

_Z95 = 1.959964


class FitReport(NamedTuple):
    """The outcome of :func:`~analogjax.devices.fit`.

    Attributes:
      device: the given device with the estimates in it.
      values: estimates by field, ``"name[i]"`` for an entry of a field of several numbers; a held
        field has the value it was held at. With several curves, their means over the crosspoints
        and the spreads across them, ``"..._dtod"``.
      intervals: 95 % confidence interval of each, ``(-inf, inf)`` for a held field.
      fields: names of the fitted numbers, in the order of ``correlation``.
      correlation: correlations of the errors of the estimates, ``(fields, fields)``; NaN for a held
        field. With several curves, the mean over them.
      undetermined: groups of fields that the data cannot tell apart. The first of each is held at
        the given device's value (or at the end of the curve, for a bound within it); what is said
        of the others holds for that value only.
      read_noise: standard deviation of a measurement, in units of the weight.
      residual: root mean square of the errors in predicting a point from those before it, in units
        of the weight.
      curves: the report of each crosspoint, where there are several and they move.
    """

    device: PulsedDevice
    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    fields: tuple[str, ...]
    correlation: np.ndarray
    undetermined: tuple[tuple[str, ...], ...]
    read_noise: float
    residual: float
    curves: tuple["FitReport", ...] = ()


def report_curve(device, slots: tuple[Slot, ...], found: CurveFit) -> FitReport:
    """The report of one curve."""
    errors = np.sqrt(np.diag(found.covariance))
    names = tuple(slot.name for slot in slots)
    numbers = [float(value) for value in found.values]
    fitted = fill_slots(device, slots, numbers)
    intervals = {
        slot.name: clipped_interval(device, slot, value, error)
        for slot, value, error in zip(slots, numbers, errors, strict=True)
    }
    return FitReport(
        device=dataclasses.replace(fitted, dw_min_std=found.cycle_noise),
        values=dict(zip(names, numbers, strict=True)),
        intervals=intervals,
        fields=names,
        correlation=found.covariance / np.outer(errors, errors),
        undetermined=tuple(tuple(names[i] for i in group) for group in found.undetermined),
        read_noise=found.read_noise,
        residual=found.residual,
    )


def clipped_interval(device, slot: Slot, value: float, error: float) -> tuple[float, float]:
    """The 95 % interval of a normal estimate within the range of its field; NaN errors: all."""
    if np.isnan(error):
        return -np.inf, np.inf
    low, high = slot_range(device, slot)
    return float(max(low, value - _Z95 * error)), float(min(high, value + _Z95 * error))
