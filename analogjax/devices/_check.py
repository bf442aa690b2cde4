"""Range checks on a device, made where it is first used and on numbers that can be seen."""

import dataclasses

import numpy as np

from analogjax.devices._cells import is_concrete

_RANGES = {
    "dw_min": (lambda v: v > 0, "must be positive"),
    "w_max": (lambda v: v >= 0, "must be at least 0"),
    "w_min": (lambda v: v <= 0, "must be at most 0"),
    "corrupt_devices_prob": (lambda v: (v >= 0) & (v <= 1), "must lie between 0 and 1"),
    "up_down": (lambda v: abs(v) < 1, "must lie between -1 and 1, both excluded"),
}


def check_device(device) -> None:
    """Raises a ValueError naming the first field of ``device`` that is out of its range.

    Numbers that JAX is tracing (a device swept by ``vmap`` or passed to ``jit``) pass unseen.

    Raises:
      ValueError: naming the field, its value and the remedy.
    """
    name = type(device).__name__
    for field in dataclasses.fields(device):
        value = getattr(device, field.name)
        if isinstance(value, bool) or not is_concrete(value):
            continue
        if not np.all(np.isfinite(value)) and field.name not in ("w_max", "w_min"):
            raise ValueError(f"{name}.{field.name} must be a finite number, got {value}.")
        test, rule = _RANGES.get(field.name, (None, ""))
        if field.name.endswith(("_dtod", "_std", "_range")):
            test, rule = (lambda v: v >= 0), "must be at least 0"
        if test is not None and not np.all(test(np.asarray(value))):
            raise ValueError(f"{name}.{field.name} {rule}, got {value}.")
