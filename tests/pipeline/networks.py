"""A small dense network of uneven layers, its data, and its rule."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import analogjax
from analogjax.devices import SoftBounds
from analogjax.nn import labels
from analogjax.nn import linen as ann
from analogjax.pulses import ExpectedPulses

SIZES = (5, 3, 6, 2)
RATE = 0.2
PLACES = (0, 2, 4, 6)  # Of the dense layers.


def network(sizes=SIZES):
    within_bounds = nn.initializers.truncated_normal(0.4)
    dense = [ann.Dense(size, kernel_init=within_bounds) for size in sizes]
    layers = [part for layer in dense for part in (layer, nn.tanh)]
    return nn.Sequential(layers[:-1])


def mean_square(y, target):
    return jnp.mean((y - target) ** 2)


def data(steps, batch=4):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(steps, batch, 4)).astype(np.float32)
    return x, np.stack([np.sin(x[..., 0]), x[..., 1] * x[..., 2]], axis=-1)


def mean_rule(stage=1, pulses=None):
    """Mean-field analog SGD on devices all alike, biases digital."""
    del stage
    device = SoftBounds(dw_min=0.001, w_max=1.0, w_min=-1.0).without_variation()
    rule = analogjax.analog_sgd(RATE, device, key=3, pulses=pulses or ExpectedPulses())
    return optax.partition({"analog": rule, "digital": optax.sgd(RATE)}, labels)


def dense_layers(params):
    """Kernels and biases in order, as float64."""
    own = [params[f"layers_{place}"] for place in PLACES]
    return [(np.asarray(p["kernel"], float), np.asarray(p["bias"], float)) for p in own]


def largest_difference(a, b):
    apart = jax.tree.map(lambda a, b: np.max(np.abs(np.asarray(a) - np.asarray(b))), a, b)
    return max(jax.tree.leaves(apart))
