"""Random numbers of whole arrays, drawn in one row.

The numbers are those of ``jax.random``. XLA takes up to fifteen times as long to compile its
generator over three axes as over one, and each ``vmap`` adds an axis.
"""

import math

import jax


def draw_normal(key: jax.Array, shape: tuple[int, ...], dtype=float) -> jax.Array:
    """Standard normal numbers, ``jax.random.normal(key, shape, dtype)``."""
    return jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)


def draw_uniform(
    key: jax.Array, shape: tuple[int, ...], dtype=float, minval: float = 0.0, maxval: float = 1.0
) -> jax.Array:
    """Numbers uniform in [minval, maxval), ``jax.random.uniform(key, shape, dtype, ...)``."""
    return jax.random.uniform(key, (math.prod(shape),), dtype, minval, maxval).reshape(shape)
