"""Range checks on a device, made where it is first used and on numbers that can be seen."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices._cells import is_concrete

# The lowest and the highest value of a field, and how to say so.
_CLOSED = {
    "w_max": (0.0, np.inf, "must be at least 0"),
    "w_min": (-np.inf, 0.0, "must be at most 0"),
    "corrupt_devices_prob": (0.0, 1.0, "must lie between 0 and 1"),
}
_OPEN = {
    "dw_min": (0.0, np.inf, "must be positive"),
    "t0": (0.0, np.inf, "must be positive"),
    "up_down": (-1.0, 1.0, "must lie between -1 and 1, both excluded"),
    "pow_up_down": (-1.0, 1.0, "must lie between -1 and 1, both excluded"),
}
_VECTORS = ("piecewise_up", "piecewise_down")
_AT_LEAST_0 = (
    "_dtod",
    "_std",
    "_std_add",
    "_std_slope",
    "_range",
    "pow_gamma",
    "piecewise_up",
    "piecewise_down",
    "lifetime",
    "diffusion",
)


def field_range(name: str) -> tuple[float, float, str]:
    """The lowest and the highest value of a field, and the sentence part that says so."""
    if name.endswith(_AT_LEAST_0):
        return 0.0, np.inf, "must be at least 0"
    return {**_CLOSED, **_OPEN}.get(name, (-np.inf, np.inf, ""))


def check_device(device) -> None:
    """Raises a ValueError naming the first field of ``device`` that is out of its range.

    Numbers that JAX is tracing (a device swept by ``vmap`` or passed to ``jit``) pass unseen here;
    a rule whose device has one outside the range of its field gives updates that are NaN. What
    several fields must be together is seen of numbers alone.

    Raises:
      ValueError: naming the field, its value and the remedy.

    Example:
      >>> from analogjax.devices import SoftBounds, check_device
      >>> check_device(SoftBounds(dw_min=-0.1))
      Traceback (most recent call last):
          ...
      ValueError: SoftBounds.dw_min must be positive, got -0.1.
    """
    for field in dataclasses.fields(device):
        if field.name in ("device", "devices"):
            continue  # Checked when they are themselves sampled.
        value = getattr(device, field.name)
        for number in jax.tree.leaves(value):
            if isinstance(number, bool) or not is_concrete(number) or np.iscomplexobj(number):
                _check_kind(device, field, number)
                continue
            values = np.asarray(number)
            finite = _is_finite(field.name, values)
            if not np.all(finite & _is_inside(field.name, values)):
                rule = field_range(field.name)[2] if np.all(finite) else "must be a finite number"
                raise ValueError(f"{type(device).__name__}.{field.name} {rule}, got {value}.")
    device.check_fields()


def of_one_array(device):
    """The device of an array, with NaN for traced fields that are out of their range.

    Raises:
      ValueError: if a field is an array, as of devices that are to be swept.
    """

    def marked(path, number):
        name = next((key.name for key in reversed(path) if hasattr(key, "name")), "")
        # A device of one's own may have arrays by names of its own.
        if jnp.ndim(number) and field_range(name)[2] and name not in _VECTORS:
            raise ValueError(
                f"{type(device).__name__}{jax.tree_util.keystr(path)} must be one number, got an "
                f"array of shape {jnp.shape(number)}: crosspoints vary by their spreads, and "
                f"jax.vmap sweeps."
            )
        if not isinstance(number, jax.core.Tracer):
            return number
        return jnp.where(_is_finite(name, number) & _is_inside(name, number), number, jnp.nan)

    return jax.tree_util.tree_map_with_path(marked, device)


def _is_finite(name: str, number):
    return name in ("w_max", "w_min") or abs(number) < np.inf


def _is_inside(name: str, number):
    low, high, _ = field_range(name)
    if name in _OPEN:
        return (low < number) & (number < high)
    return (low <= number) & (number <= high)


def _check_kind(device, field: dataclasses.Field, number) -> None:
    """Raises a TypeError if a field that is a leaf of the pytree holds no real number."""
    if not field.metadata.get("static") and (isinstance(number, str) or np.iscomplexobj(number)):
        raise TypeError(
            f"{type(device).__name__}.{field.name} must be a number or an array, got {number!r}."
        )


def check_positive(name: str, value) -> None:
    """Raises a ValueError if a number that can be seen is not positive and finite."""
    if is_concrete(value) and not np.all(np.isfinite(value) & (np.asarray(value) > 0)):
        raise ValueError(f"{name} must be a finite positive number, got {value}.")


def check_at_least_0(name: str, value) -> None:
    """Raises a ValueError if a number that can be seen is negative or not finite."""
    if is_concrete(value) and not np.all(np.isfinite(value) & (np.asarray(value) >= 0)):
        raise ValueError(f"{name} must be a finite number of at least 0, got {value}.")


def check_finite_bounds(device) -> None:
    """Raises a ValueError if a bound that can be seen is infinite."""
    for name in ("w_max", "w_min"):
        value = getattr(device, name)
        if is_concrete(value) and not np.all(np.isfinite(value)):
            raise ValueError(
                f"{type(device).__name__}.{name} must be finite, since steps are relative to the "
                f"range, got {value}."
            )


def check_count(name: str, value, at_least: int = 1) -> int:
    """The value as a Python int; raises if it is not a whole number of at least ``at_least``."""
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"{name} must be a Python int known before tracing; with optax.inject_hyperparams, "
            f"name it in static_args."
        )
    check_number(name, f"a whole number of at least {at_least}", value)
    if isinstance(value, bool) or not float(value).is_integer() or value < at_least:
        raise ValueError(f"{name} must be a whole number of at least {at_least}, got {value}.")
    return int(value)


def check_real(what: str, leaf) -> None:
    """Raises a ValueError if a parameter, or what outlines it, is not of real numbers."""
    dtype = jnp.result_type(leaf)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(
            f"{what} is of type {dtype}: conductances are real numbers. Make it a float32, or "
            f"leave it digital."
        )


def check_number(name: str, what: str, value) -> None:
    """Raises a TypeError if a value is neither a number nor an array of them."""
    if not isinstance(value, int | float | np.ndarray | np.generic | jax.Array):
        raise TypeError(f"{name} must be {what}, got {value!r}.")
