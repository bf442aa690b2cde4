"""Which numbers of a device a fit may change, and in what range."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from analogjax.devices._check import field_range

_SPREADS = ("_dtod", "_std", "_std_add", "_std_slope", "_range", "_prob")
_AGEING = ("lifetime", "diffusion", "reset")


class Slot(NamedTuple):
    """One number of a device.

    Attributes:
      field: name of the field.
      entry: place in the field, where that is a sequence such as the nodes of ``PiecewiseStep``.
    """

    field: str
    entry: int | None = None

    @property
    def name(self) -> str:
        """As people write it: ``w_max`` or ``piecewise_up[0]``."""
        return self.field if self.entry is None else f"{self.field}[{self.entry}]"


def numeric_fields(device) -> list[str]:
    """Names of the fields that hold numbers, or sequences of them."""
    names = [field.name for field in dataclasses.fields(device) if not field.metadata.get("static")]
    return [name for name in names if jax.tree.leaves(getattr(device, name))]


def choose_slots(device, fields: tuple[str, ...] | None) -> tuple[Slot, ...]:
    """The numbers to fit: of the given fields, or of all that shape the mean response.

    Raises:
      ValueError: for a field that the device does not have or that is no number.
    """
    known = numeric_fields(device)
    shaping = [name for name in known if not name.endswith(_SPREADS + _AGEING)]
    if fields is None:
        fields = tuple(name for name in shaping if name not in device.redundant)
    for name in fields:
        if name not in shaping:
            kind = "no part of the mean response" if name in known else "unknown"
            raise ValueError(
                f"fields names {name!r}, which is {kind} for {type(device).__name__}; choose from "
                f"{', '.join(shaping)}."
            )
    slots: list[Slot] = []
    for name in fields:
        size = np.shape(getattr(device, name))
        slots += [Slot(name, i) for i in range(size[0])] if size else [Slot(name)]
    if not slots:
        raise ValueError(f"fields names nothing to fit; choose from {', '.join(shaping)}.")
    return tuple(slots)


def read_slots(device, slots: tuple[Slot, ...]) -> np.ndarray:
    """The numbers in the slots, ``(slots,)``."""
    values = ((getattr(device, slot.field), slot.entry) for slot in slots)
    return np.array([v if i is None else v[i] for v, i in values], float)


def fill_slots(device, slots: tuple[Slot, ...], values):
    """The device with ``values``, ``(slots,)``, in the slots; traced values are welcome."""
    changes: dict = {}
    for slot, value in zip(slots, values, strict=True):
        if slot.entry is None:
            changes[slot.field] = value
        else:
            sequence = changes.setdefault(slot.field, list(getattr(device, slot.field)))
            sequence[slot.entry] = value
    changes = {name: tuple(v) if isinstance(v, list) else v for name, v in changes.items()}
    return dataclasses.replace(device, **changes)


def slot_range(device, slot: Slot) -> tuple[float, float]:
    """The range of a slot, a little inside that of its field."""
    low, high, _ = field_range(slot.field)
    if slot.field in ("gamma_up", "gamma_down") and not getattr(device, "allow_increasing", True):
        low = 0.0
    return low + 1e-9, high - 1e-9


def slot_scale(slot: Slot, value: float, width: float) -> float:
    """The size that an uncertainty of the slot is measured by: about that of a useful value."""
    if slot.field in ("dw_min", "A_up", "A_down"):
        return max(abs(value), 1e-12)
    if slot.field in ("w_max", "w_min"):
        return max(abs(value), 0.1 * width)
    return max(abs(value), 1.0)
