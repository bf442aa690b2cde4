"""Each analog layer beside flax's own, over what its arguments can say."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx

from analogjax.nn import Factors
from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx

# What a layer is made with, and the shape of its inputs. No "kernel_size": a dense layer.
LAYERS = {
    "dense": ({}, (4, 3)),
    "dense_of_sequences_no_bias": ({"use_bias": False}, (2, 5, 3)),
    "conv_2d_same_strided": ({"kernel_size": (3, 2), "strides": 2}, (2, 6, 5, 2)),
    "conv_2d_valid_no_bias": (
        {"kernel_size": (2, 3), "padding": "VALID", "use_bias": False},
        (2, 5, 6, 3),
    ),
    "conv_2d_dilated_explicit": (
        {
            "kernel_size": (2, 3),
            "strides": (1, 2),
            "padding": ((1, 0), (0, 2)),
            "kernel_dilation": (2, 1),
        },
        (2, 5, 6, 2),
    ),
    "conv_1d_same_dilated": ({"kernel_size": (3,), "kernel_dilation": 2}, (2, 7, 2)),
    "conv_1d_one_padding": (
        {"kernel_size": (2,), "strides": 3, "padding": 2, "use_bias": False},
        (2, 8, 3),
    ),
    "conv_2d_groups_strided": (
        {"kernel_size": (3, 2), "feature_group_count": 2, "strides": (2, 1), "padding": "valid"},
        (2, 5, 6, 4),
    ),
    "conv_2d_depthwise_dilated": (
        {"kernel_size": (2, 2), "feature_group_count": 3, "kernel_dilation": 2, "use_bias": False},
        (2, 4, 5, 3),
    ),
    "conv_2d_circular_strided": (
        {"kernel_size": (3, 2), "strides": (2, 1), "padding": "CIRCULAR"},
        (2, 5, 4, 2),
    ),
    "conv_1d_reflected_dilated": (
        {"kernel_size": (2,), "kernel_dilation": 3, "padding": "REFLECT"},
        (2, 7, 2),
    ),
    "conv_1d_causal_dilated": (
        {"kernel_size": (3,), "kernel_dilation": 2, "padding": "CAUSAL", "use_bias": False},
        (2, 7, 2),
    ),
    "conv_1d_groups_padded": (
        {"kernel_size": (3,), "feature_group_count": 3, "padding": ((2, 0),)},
        (2, 5, 6),
    ),
}
FEATURES = 6


def inputs(name):
    return jax.random.normal(jax.random.key(1), LAYERS[name][1])


def linen_pair(name):
    """The analog layer, flax's own, and the parameters of both."""
    arguments, shape = LAYERS[name]
    kind = "Conv" if "kernel_size" in arguments else "Dense"
    bias = {"bias_init": nn.initializers.normal(1.0)}
    ours, theirs = (getattr(m, kind)(FEATURES, **bias, **arguments) for m in (ann, nn))
    return ours, theirs, jax.jit(theirs.init)(jax.random.key(0), jnp.ones(shape))["params"]


def nnx_pair(name):
    """The analog layer and flax's own, with the parameters of :func:`linen_pair`."""
    arguments, shape = LAYERS[name]
    kind = "Conv" if "kernel_size" in arguments else "Linear"
    pair = [getattr(m, kind)(shape[-1], FEATURES, rngs=nnx.Rngs(0), **arguments)
            for m in (annx, nnx)]  # fmt: skip
    params = linen_pair(name)[2]
    for layer in pair:
        for key, value in params.items():
            getattr(layer, key)[...] = value
    return pair


def nonlinear(y):
    """A loss whose gradient differs at every output."""
    return jnp.sum(jnp.sin(y) + 0.1 * y**2)


def outer_sum(factors, shape):
    """The gradient of a kernel of the given shape that its factors stand for."""
    calls = (factors,) if isinstance(factors, Factors) else factors
    inputs, outputs = math.prod(shape[:-1]), shape[-1]
    total = jnp.zeros(shape)
    for x, d in calls:
        groups = outputs // d.shape[-1]
        x, d = x.reshape(-1, groups, inputs), d.reshape(-1, groups, d.shape[-1])
        total += jnp.einsum("bgi,bgo->igo", x, d).reshape(shape)
    return total


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


def check_calls(factors, expected, path, shapes):
    """The factors of the layer at ``path``: their sum is its gradient, and their inputs' shapes."""
    for part in path.split("/"):
        factors, expected = factors[part], expected[part]
    calls = factors["kernel"]
    close(outer_sum(calls, expected["kernel"].shape), expected["kernel"])
    calls = [calls] if isinstance(calls, Factors) else calls
    assert [pair.x.shape for pair in calls] == shapes
