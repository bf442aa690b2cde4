"""The weights of a linen layer: one parameter, or a module for each array it lies on."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.core import meta

from analogjax.nn._analog import Analog, check_analog
from analogjax.nn._linen_taps import tapped
from analogjax.nn._mapping import Mapping, parts_of, sum_parts, with_bias_line, with_constant_input
from analogjax.nn._product import add_bias
from analogjax.tiles import weight_scale

# The flag under which initial weights are given to layers that would draw theirs.
GIVEN = "initial weights"


class Array(nn.Module):
    """One array of a layer, and what scales its outputs.

    Attributes:
      analog: how it is read and scaled.
      promote: brings inputs and weights to one dtype.
      param_dtype: dtype of its weights.
    """

    analog: Analog
    promote: Callable
    param_dtype: jax.typing.DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array, part: jax.Array) -> jax.Array:
        """The product with its weights; ``part`` is what they are initialized with."""
        mapping = self.analog.mapping
        assert mapping is not None
        scale = self._scale(mapping, part)
        w = self.param("kernel", lambda _: part if scale is None else part / scale)
        x, w = self.promote(x, w)
        y = tapped(self, self.analog, x, w, scale=scale)
        if mapping.learn_out_scaling:
            shape = part.shape[1:] if mapping.out_scaling_columnwise else ()
            out_scale = self.param("out_scale", nn.initializers.ones, shape, self.param_dtype)
            y = (out_scale * y).astype(y.dtype)
        return y

    def _scale(self, mapping: Mapping, part: jax.Array) -> jax.Array | None:
        omega = mapping.weight_scaling_omega
        if not omega:
            return None
        if not self.has_variable("mapping", "scale") and not self.is_mutable_collection("mapping"):
            raise ValueError(
                f"The scale of '{'/'.join(self.path)}' is missing: pass the collection 'mapping', "
                f"which init gives beside 'params' (under nn.scan and nn.RNN, "
                f"variable_broadcast=['params', 'mapping'])."
            )
        columnwise = mapping.weight_scaling_columnwise
        make = functools.partial(weight_scale, part, omega, columnwise=columnwise)
        return self.variable("mapping", "scale", make).value


def weighted(
    layer, analog: Analog, inputs: jax.Array, kernel: tuple[int, ...], bias: tuple[int, ...]
) -> tuple[jax.Array, Callable[..., jax.Array]]:
    """The weights of a layer, declared in it under flax's names or as arrays.

    Args:
      layer: a layer that is running, with the arguments of flax's layers.
      analog: how it is read and mapped.
      inputs: its inputs.
      kernel: shape of flax's kernel, or of it as a matrix.
      bias: shape of the bias.

    Returns:
      The inputs in the dtype of the layer, and a function that gives its outputs ``(..., out)``,
      with the bias, of such inputs ``(..., in)``, or ``(..., groups, in)``, and of the number of
      groups.
    """
    check_analog(analog)
    if analog.mapping is not None:
        return inputs, functools.partial(_on_arrays, layer, analog, analog.mapping, kernel, bias)
    w = layer.param("kernel", layer.kernel_init, kernel, layer.param_dtype)
    b = layer.param("bias", *_bias_init(layer, bias)) if layer.use_bias else None
    inputs, w, b = layer.promote_dtype(inputs, w, b, dtype=layer.dtype)

    def apply(x: jax.Array, groups: int = 1) -> jax.Array:
        y = tapped(layer, analog, x, w.reshape(-1, w.shape[-1]), groups)
        return add_bias(y if groups == 1 else y.reshape(*y.shape[:-2], -1), b)

    return inputs, apply


def _on_arrays(
    layer,
    analog: Analog,
    mapping: Mapping,
    kernel: tuple[int, ...],
    bias: tuple[int, ...],
    x: jax.Array,
    groups: int = 1,
) -> jax.Array:
    """The outputs of a layer in parts."""
    on_arrays = layer.use_bias and not mapping.digital_bias
    matrix = _initial(layer, "kernel", (layer.kernel_init, kernel, layer.param_dtype))
    matrix = matrix.reshape(-1, kernel[-1])
    if on_arrays:
        matrix = with_bias_line(matrix, _initial(layer, "bias", _bias_init(layer, bias)))
        x = with_constant_input(x)
    promote = functools.partial(layer.promote_dtype, dtype=layer.dtype)

    def multiply(part, x):
        array = Array(analog, promote, layer.param_dtype, name=part.name)
        return array(x, part.of(matrix))

    y = sum_parts(parts_of(mapping, matrix.shape, groups), x, groups, multiply)
    if layer.use_bias and not on_arrays:
        y = add_bias(*promote(y, layer.param("bias", *_bias_init(layer, bias))))
    return y


def _initial(layer, name: str, init: tuple) -> jax.Array:
    """The parameter that flax would have, where the layer is being initialized; else of its shape.

    It is drawn with the key that flax would draw it with, or is the one that is given.
    """
    make, shape, dtype = init
    given = layer.scope.flags.get(GIVEN)
    if given is not None:
        return given.take((*layer.path, name), shape).astype(dtype)
    if layer.has_variable("params", "array_0_0") or not layer.is_mutable_collection("params"):
        return jnp.zeros(shape, dtype)
    made = make(layer.make_rng("params"), shape, dtype)
    if isinstance(made, meta.AxisMetadata):
        raise ValueError(
            f"The initializer of '{'/'.join((*layer.path, name))}' names axes "
            f"(nn.with_partitioning), but its mapping cuts the kernel into matrices: leave the "
            f"names out."
        )
    return made


def _bias_init(layer, shape: tuple[int, ...]) -> tuple:
    """Initializer, shape and dtype of a bias; of several axes it is drawn as one, as in flax."""
    init = layer.bias_init
    if len(shape) == 1:
        return init, shape, layer.param_dtype

    def reshaped(key, shape, dtype):
        return init(key, (math.prod(shape),), dtype).reshape(shape)

    return reshaped, shape, layer.param_dtype
