"""Random numbers of a read, each found by the key of the read and by what it is for.

Every use has a stream of words of its own, all hashed from the same words of the key.
"""

import enum

import jax
import jax.numpy as jnp

from analogjax.pulses import draw_words, uniform

# Quantiles of the normal law as a rational function: Odeh and Evans, Appl. Statist. 23:96 (1974).
_NUMERATOR = (-0.453642210148e-4, -0.0204231210245, -0.342242088547, -1.0, -0.322232431088)
_DENOMINATOR = (0.38560700634e-2, 0.103537752850, 0.531103462366, 0.588581570495, 0.0993484626060)


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
    return normal_from(draw_words(key, shape, stream=use))


def normal_from(words: jax.Array) -> jax.Array:
    """Standard normal numbers by inversion, true to 1e-6; they end at 6.3 standard deviations.

    The last bit of a word is the sign, the others are the probability of a number as large. It
    takes two thirds of the time of ``erf_inv``, which is most of what noise costs.
    """
    probability = ((words >> 1).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-32)
    y = jnp.sqrt(-2 * jnp.log(probability))
    size = y + _polynomial(_NUMERATOR, y) / _polynomial(_DENOMINATOR, y)
    return jnp.where(words & 1 == 1, size, -size)


def _polynomial(coefficients: tuple[float, ...], y: jax.Array) -> jax.Array:
    value = jnp.full_like(y, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * y + coefficient
    return value


def dither(key: jax.Array, use: Use, shape: tuple[int, ...]) -> jax.Array:
    """Uniform numbers between -1/2 and 1/2, float32."""
    return uniform(draw_words(key, shape, stream=use)) - 0.5
