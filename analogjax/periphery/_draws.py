"""Random numbers of a read, each found by the key of the read and by what it is for."""

import enum

import jax

from analogjax.pulses import draw_words, normal, uniform


class Use(enum.IntEnum):
    """What a random number is for."""

    INPUT_ROUNDING = 0
    INPUT_NOISE = 1
    WEIGHT_NOISE = 2
    OUTPUT_NOISE = 3
    OUTPUT_ROUNDING = 4
    NEGATIVE_PASS = 5
    BACKWARD = 6
    PASS = 7  # and all numbers after it, one for each pass of bound management


def normals(key: jax.Array, use: Use, shape: tuple[int, ...]) -> jax.Array:
    """Standard normal numbers, float32."""
    return normal(draw_words(jax.random.fold_in(key, use), shape))


def dither(key: jax.Array, use: Use, shape: tuple[int, ...]) -> jax.Array:
    """Uniform numbers between -1/2 and 1/2, float32."""
    return uniform(draw_words(jax.random.fold_in(key, use), shape)) - 0.5
