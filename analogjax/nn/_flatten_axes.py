"""Axes of inputs as the lines of an array."""

import jax
import jax.numpy as jnp


def flatten_axes(inputs: jax.Array, axis: tuple[int, ...]) -> jax.Array:
    """Inputs with some axes, in their own order as in flax, joined to one at the end."""
    axis = tuple(sorted(a % inputs.ndim for a in axis))
    inputs = jnp.moveaxis(inputs, axis, range(-len(axis), 0))
    return inputs.reshape(*inputs.shape[: inputs.ndim - len(axis)], -1)
