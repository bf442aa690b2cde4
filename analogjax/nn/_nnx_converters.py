"""Converters as an attribute of an NNX layer, with or without arrays among their numbers."""

from typing import Any

import jax
import numpy as np
from flax import nnx

from analogjax.periphery import AnalogIO

_SAMPLED = "sampled"  # Stands in the place of an array.
_ARRAY = jax.Array | np.ndarray


class Sampled(nnx.Variable):
    """Numbers of converters that are arrays, as ``AnalogIO.sample`` draws one for each line."""


class Converters:
    """An attribute that is an ``AnalogIO`` or None: arrays in a variable, all else static.

    NNX wants arrays in variables. What is a number stays one, so that a trace knows what is off.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._settings, self._arrays = f"_{name}_settings", f"{name}_sampled"

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        if layer is None:
            return self
        settings = getattr(layer, self._settings, None)
        sampled = getattr(layer, self._arrays, None)
        if sampled is None:
            return settings
        arrays = iter(sampled.get_value())
        return jax.tree.map(lambda leaf: next(arrays) if leaf == _SAMPLED else leaf, settings)

    def __set__(self, layer: Any, io: AnalogIO | None) -> None:
        arrays = tuple(leaf for leaf in jax.tree.leaves(io) if isinstance(leaf, _ARRAY))
        settings = jax.tree.map(lambda x: _SAMPLED if isinstance(x, _ARRAY) else x, io)
        setattr(layer, self._settings, settings)
        setattr(layer, self._arrays, Sampled(arrays) if arrays else None)
