"""Numbers of numpy and JAX as those of Python, so that costs are reckoned in float64."""

import dataclasses
import numbers
from typing import TypeVar

import numpy as np

from analogjax.devices import is_concrete

Anything = TypeVar("Anything")


def plain(value):
    """A number of numpy or JAX as one of Python; anything else as it is."""
    is_scalar = is_concrete(value) and hasattr(value, "item") and np.ndim(value) == 0
    return value.item() if is_scalar else value


def with_plain_numbers(settings: Anything) -> Anything:
    """A dataclass with its numbers as those of Python."""
    changed = {}
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, field.name)
        if plain(value) is not value:
            changed[field.name] = plain(value)
    return dataclasses.replace(settings, **changed) if changed else settings  # type: ignore[type-var]


def is_number(value) -> bool:
    """Whether this is a real number of Python, and no bool."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
