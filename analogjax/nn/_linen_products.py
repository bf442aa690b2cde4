"""What linen's dense and convolution layers compute, their product left to an array.

Each function stands in for ``__call__`` of flax's own layer or of its analog twin, inside that
layer's compact method: the parameters are declared under the same names with the same
initializers, so that one key gives the same numbers.
"""

import math

import jax
from flax import linen as nn

from analogjax.nn._analog import Analog
from analogjax.nn._convolution import check_groups, convolve
from analogjax.nn._flatten_axes import flatten_axes
from analogjax.nn._linen_array import weighted
from analogjax.nn._refuse import refuse


def dense(layer: nn.Dense, analog: Analog, inputs: jax.Array) -> jax.Array:
    """A dense layer of inputs ``(..., in)``."""
    refuse(layer, dot_general=None, dot_general_cls=None)
    kernel, bias = (inputs.shape[-1], layer.features), (layer.features,)
    inputs, apply = weighted(layer, analog, inputs, kernel, bias)
    return apply(inputs)


def dense_general(layer: nn.DenseGeneral, analog: Analog, inputs: jax.Array) -> jax.Array:
    """A dense layer over several axes, which an array has as one: its kernel is ``(in, out)``."""
    refuse(layer, batch_dims=(), dot_general=None, dot_general_cls=None)
    features, axis = _as_tuple(layer.features), _as_tuple(layer.axis)
    inputs = flatten_axes(inputs, axis)
    kernel = (inputs.shape[-1], math.prod(features))
    inputs, apply = weighted(layer, analog, inputs, kernel, features)
    y = apply(inputs)
    return y.reshape(*y.shape[:-1], *features)


def convolution(layer: nn.Conv, analog: Analog, inputs: jax.Array) -> jax.Array:
    """A convolution of inputs ``(..., *spatial, channels)``, each patch a vector."""
    refuse(layer, mask=None, input_dilation=1)
    refuse(layer, conv_general_dilated=None, conv_general_dilated_cls=None)
    size = _as_tuple(layer.kernel_size)
    channels, groups = inputs.shape[-1], layer.feature_group_count
    check_groups(groups, channels, layer.features)
    kernel, bias = (*size, channels // groups, layer.features), (layer.features,)
    inputs, apply = weighted(layer, analog, inputs, kernel, bias)
    return convolve(
        apply,
        inputs,
        size,
        strides=layer.strides,
        padding=layer.padding,
        dilation=layer.kernel_dilation,
        groups=groups,
    )


def _as_tuple(value) -> tuple:
    return tuple(value) if isinstance(value, list | tuple) else (value,)
