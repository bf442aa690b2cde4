"""Small versions of every rule, in one table that the conformance tests walk."""

import dataclasses

import jax.numpy as jnp
import numpy as np

import analogjax
from analogjax.devices import SoftBounds
from analogjax.pulses import ExpectedPulses, Factors

RULES = {
    "analog_sgd": {},
    "tiki_taka": {"gamma": 0.5},
    "tiki_taka_v2": {"gamma": 0.5, "transfer_lr": 3.0},
    "chopped_tiki_taka": {"gamma": 0.5, "transfer_lr": 3.0, "chop_prob": 0.5},
    "agad": {"gamma": 0.5, "transfer_lr": 3.0, "chop_prob": 0.5},
    "buffered_residual_learning": {"num_tiles": 2, "gamma": 0.5, "transfer_lr": 3.0},
    "residual_learning_v2": {"gamma": 0.5, "transfer_lr": 0.5, "threshold": 0.1},
    "mixed_precision": {},
    "residual_learning": {"num_tiles": 2, "gamma": 0.5, "transfer_every": 2},
}
SHAPE = (3, 2)
# The scheme that compiles fastest; the seed still decides the devices.
FAST = ExpectedPulses()


def device(dw_min=0.02):
    """Soft bounds whose steps vary, so that seeds matter, and little else to compile."""
    return dataclasses.replace(SoftBounds(dw_min=dw_min).without_variation(), dw_min_dtod=0.3)


def factory(name):
    return getattr(analogjax, name)


def settings(name, pulses=FAST):
    """The settings of a rule but for learning rate, device and key."""
    schemes = {"pulses": pulses, "transfer_pulses": pulses}
    if "gamma" not in RULES[name]:
        del schemes["transfer_pulses"]
    return {**RULES[name], **schemes}


def make(name, learning_rate=0.1, *, dw_min=0.02, key=0, pulses=FAST, **more):
    """A small version of a rule."""
    return factory(name)(
        learning_rate, device(dw_min), key=key, **{**settings(name, pulses), **more}
    )


def batch(step, shape=SHAPE, batch_size=4):
    """The factors of one mini-batch; NumPy, so that there is nothing to compile."""
    rng = np.random.default_rng([77, step])
    return Factors(*(rng.normal(size=(batch_size, size)).astype(np.float32) for size in shape))


def gradient(factors):
    return jnp.einsum("bi,bo->io", *factors)


def composite(name, state, gamma=0.5):
    """The weight matrix a rule's own state of one parameter stands for."""
    stack = getattr(state, "stack", state)
    signs = getattr(state, "chopper", 1.0)
    return sum((gamma * signs if n else 1.0) ** n * tile.w for n, tile in enumerate(stack.tiles))
