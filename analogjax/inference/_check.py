"""Checks of what users hand to the functions of this package: one clear sentence each."""

import jax
import numpy as np

from analogjax.devices import is_concrete


def check_time(t) -> None:
    """Raises a ValueError if a time that can be seen is negative or not finite in float32."""
    largest = float(np.finfo(np.float32).max)
    if is_concrete(t) and not np.all((np.asarray(t) >= 0) & (np.asarray(t) <= largest)):
        raise ValueError(
            f"Times are seconds since the end of programming, finite in float32 and at least "
            f"0, got {t}."
        )


def check_array(noise, array, kind: type) -> None:
    """Raises a TypeError if an array was programmed by another noise model."""
    if not isinstance(array, kind):
        name = type(noise).__name__
        raise TypeError(
            f"{name} reads arrays that a {name} has programmed, got {type(array).__name__}: give "
            f"read the noise model that was given to program or keep_tiles."
        )


def check_numbers(name: str, value, count: int | None = None) -> None:
    """Raises a ValueError if coefficients that can be seen are not finite, or not so many."""
    numbers = jax.tree.leaves(value)
    if not numbers or (count is not None and len(numbers) != count):
        wanted = "at least one number" if count is None else f"{count} numbers"
        raise ValueError(f"{name} must hold {wanted}, got {value}.")
    if not all(np.all(np.isfinite(number)) for number in numbers if is_concrete(number)):
        raise ValueError(f"{name} must hold finite numbers, got {value}.")
