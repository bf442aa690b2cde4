"""Whole numbers that must be known before anything is traced."""

import numbers


def is_whole(value, at_least: int) -> bool:
    """Whether this is an integer, no bool, of at least so much."""
    return (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and int(value) >= at_least
    )


def check_whole(name: str, value) -> None:
    """Raises a ValueError if a count is no whole number of at least 1."""
    if not is_whole(value, 1):
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}.")
