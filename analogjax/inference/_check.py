"""Checks of what users hand to the functions of this package: one clear sentence each."""

import jax
import numpy as np

from analogjax.devices import is_concrete


def check_time(t) -> None:
    """Raises a ValueError if a time that can be seen is negative or not finite."""
    if is_concrete(t) and not np.all(np.isfinite(t) & (np.asarray(t) >= 0)):
        raise ValueError(
            f"Times are seconds since the end of programming, finite and at least 0, got {t}."
        )


def check_numbers(name: str, value, count: int | None = None) -> None:
    """Raises a ValueError if coefficients that can be seen are not finite, or not so many."""
    numbers = jax.tree.leaves(value)
    if not numbers or (count is not None and len(numbers) != count):
        wanted = "at least one number" if count is None else f"{count} numbers"
        raise ValueError(f"{name} must hold {wanted}, got {value}.")
    if not all(np.all(np.isfinite(number)) for number in numbers if is_concrete(number)):
        raise ValueError(f"{name} must hold finite numbers, got {value}.")
