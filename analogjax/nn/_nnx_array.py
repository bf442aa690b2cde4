"""The arrays that the weights of an NNX layer lie on, each a module of its own."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from analogjax.nn._analog import Analog, check_analog
from analogjax.nn._mapping import (
    Mapping,
    Part,
    parts_of,
    sum_parts,
    with_bias_line,
    with_constant_input,
)
from analogjax.nn._nnx_taps import Tapped
from analogjax.nn._product import add_bias
from analogjax.tiles import weight_scale


class ArrayScale(nnx.Variable):
    """The scale of an array, digital and fixed; see :class:`analogjax.nn.Mapping`.

    Example:
      >>> from flax import nnx
      >>> from analogjax.nn import Mapping
      >>> from analogjax.nn import nnx as ann
      >>> layer = ann.Linear(2, 3, mapping=Mapping(weight_scaling_omega=0.5), rngs=nnx.Rngs(0))
      >>> nnx.state(layer, ann.ArrayScale)["array_0_0"]["scale"].shape
      ()
    """


class Array(Tapped):
    """One array of a layer, and what scales its outputs."""

    def __init__(self, w: jax.Array, analog: Analog, mapping: Mapping, rngs: nnx.Rngs | None):
        omega, columnwise = mapping.weight_scaling_omega, mapping.weight_scaling_columnwise
        scale = weight_scale(w, omega, columnwise=columnwise) if omega else None
        self.scale = None if scale is None else ArrayScale(scale)
        self.kernel = nnx.Param(w if scale is None else (w / scale).astype(w.dtype))
        columns = w.shape[1:] if mapping.out_scaling_columnwise else ()
        learnt = mapping.learn_out_scaling
        self.out_scale = nnx.Param(jnp.ones(columns, w.dtype)) if learnt else None
        self.wire(analog, rngs)

    def __call__(self, x: jax.Array, promote: Callable) -> jax.Array:
        """The product with its weights, in the dtype that ``promote`` brings both to."""
        x, w = promote((x, self.kernel[...]))
        y = self._product(x, w, scale=None if self.scale is None else self.scale[...])
        return y if self.out_scale is None else (self.out_scale[...] * y).astype(y.dtype)


class OnArrays(Tapped):
    """A layer whose weights are one kernel, or parts on arrays that are attributes of it.

    Attributes:
      parts: what lies on which array; empty if it has a kernel.
      constant_input: whether the last line of the arrays is the bias.
    """

    bias: nnx.Param | None
    parts: tuple[Part, ...] = ()
    constant_input: bool = False

    def lay(self, analog: Analog, rngs: nnx.Rngs | None, groups: int = 1) -> None:
        """Sets how it is read, and takes its weights apart into arrays if it is mapped."""
        check_analog(analog)
        if analog.mapping is None:
            self.wire(analog, rngs)
            return
        matrix = self.kernel[...]
        matrix = matrix.reshape(-1, matrix.shape[-1])
        if self.bias is not None and not analog.mapping.digital_bias:
            matrix = with_bias_line(matrix, self.bias[...])
            self.bias, self.constant_input = None, True
        del self.kernel
        self.parts = parts_of(analog.mapping, matrix.shape, groups)
        for part in self.parts:
            setattr(self, part.name, Array(part.of(matrix), analog, analog.mapping, rngs))

    def outputs(self, x: jax.Array, groups: int = 1) -> jax.Array:
        """Its outputs ``(..., out)`` of ``(..., in)`` or, for groups, ``(..., groups, in)``."""
        layer: Any = self  # With the fields of flax's layers.
        promote = functools.partial(layer.promote_dtype, dtype=layer.dtype)
        bias = None if self.bias is None else self.bias[...]
        if not self.parts:
            x, w, bias = promote((x, self.kernel[...], bias))
            y = self._product(x, w.reshape(-1, w.shape[-1]), groups)
            return add_bias(y if groups == 1 else y.reshape(*y.shape[:-2], -1), bias)
        x = with_constant_input(x) if self.constant_input else x
        y = sum_parts(self.parts, x, groups, lambda part, x: getattr(self, part.name)(x, promote))
        return add_bias(*promote((y, bias)))
