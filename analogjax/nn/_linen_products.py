"""What linen's dense and convolution layers compute, their product left to an array.

Each function stands in for ``__call__`` of flax's own layer or of its analog twin, inside that
layer's compact method: the parameters are declared under the same names with the same
initializers, so that one key gives the same numbers.
"""

import functools
import math
from collections.abc import Callable

import jax
from flax import linen as nn

from analogjax.nn._analog import Analog
from analogjax.nn._convolution import check_groups, convolve
from analogjax.nn._flatten_axes import flatten_axes
from analogjax.nn._linen_taps import tapped
from analogjax.nn._product import add_bias
from analogjax.nn._refuse import refuse


def dense(layer: nn.Dense, analog: Analog, inputs: jax.Array) -> jax.Array:
    """A dense layer of inputs ``(..., in)``."""
    refuse(layer, dot_general=None, dot_general_cls=None)
    kernel = _kernel(layer, (inputs.shape[-1], layer.features))
    bias = _bias(layer, (layer.features,))
    inputs, kernel, bias = _promoted(layer, inputs, kernel, bias)
    return add_bias(tapped(layer, analog, inputs, kernel), bias)


def dense_general(layer: nn.DenseGeneral, analog: Analog, inputs: jax.Array) -> jax.Array:
    """A dense layer over several axes, which an array has as one: its kernel is ``(in, out)``."""
    refuse(layer, batch_dims=(), dot_general=None, dot_general_cls=None)
    features, axis = _as_tuple(layer.features), _as_tuple(layer.axis)
    inputs = flatten_axes(inputs, axis)
    kernel = _kernel(layer, (inputs.shape[-1], math.prod(features)))
    bias = _bias(layer, features)
    inputs, kernel, bias = _promoted(layer, inputs, kernel, bias)
    bias = None if bias is None else bias.reshape(-1)
    y = add_bias(tapped(layer, analog, inputs, kernel), bias)
    return y.reshape(*y.shape[:-1], *features)


def convolution(layer: nn.Conv, analog: Analog, inputs: jax.Array) -> jax.Array:
    """A convolution of inputs ``(..., *spatial, channels)``, each patch a vector."""
    refuse(layer, mask=None, input_dilation=1)
    refuse(layer, conv_general_dilated=None, conv_general_dilated_cls=None)
    size = _as_tuple(layer.kernel_size)
    channels, groups = inputs.shape[-1], layer.feature_group_count
    check_groups(groups, channels, layer.features)
    kernel = _kernel(layer, (*size, channels // groups, layer.features))
    bias = _bias(layer, (layer.features,))
    inputs, kernel, bias = _promoted(layer, inputs, kernel, bias)
    y = convolve(
        functools.partial(tapped, layer, analog),
        inputs,
        kernel,
        strides=layer.strides,
        padding=layer.padding,
        dilation=layer.kernel_dilation,
        groups=groups,
    )
    return add_bias(y, bias)


def _kernel(layer, shape: tuple[int, ...]) -> jax.Array:
    return layer.param("kernel", layer.kernel_init, shape, layer.param_dtype)


def _promoted(layer, *arrays):
    return layer.promote_dtype(*arrays, dtype=layer.dtype)


def _bias(layer, shape: tuple[int, ...]) -> jax.Array | None:
    if not layer.use_bias:
        return None
    return layer.param("bias", _reshaped(layer.bias_init, shape), shape, layer.param_dtype)


def _reshaped(init: Callable, shape: tuple[int, ...]) -> Callable:
    """An initializer of one axis for a bias of several, as flax has it."""
    if len(shape) == 1:
        return init
    return lambda key, _, dtype: init(key, (math.prod(shape),), dtype).reshape(shape)


def _as_tuple(value) -> tuple:
    return tuple(value) if isinstance(value, list | tuple) else (value,)
