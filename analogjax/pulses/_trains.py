"""The bits of pulse trains, 32 slots in a word, addressed by line and slot."""

import jax
import jax.numpy as jnp

from analogjax.pulses._lines import Lines
from analogjax.pulses._words import line_words, uniform

# Slots whose bits are kept in one word.
SLOTS = 32


def slots_from(lines: Lines, first) -> jax.Array:
    """How many slots of the longest train, up to a word of them, come from ``first`` on."""
    return jnp.clip(lines.length.max() - first, 0, SLOTS).astype(jnp.uint32)


def trains(key, vector, line, probability, length, first, slots) -> jax.Array:
    """The bits of some lines in the slots from ``first`` on, one uint32 word for each line.

    Args:
      key: a PRNG key.
      vector: the numbers of the vectors, which with those of the lines address their bits.
      line: the numbers of the lines.
      probability: of a bit in one slot, of any sign.
      length: number of slots of each train.
      first: number of the first slot.
      slots: how many slots, at most 32: uint32, or an int for all of them in one operation.
    """

    def draw(k, words):
        bit = uniform(line_words(key, vector, line, first + k)) <= jnp.abs(probability)
        return words | jnp.where(bit & (first + k < length), jnp.uint32(1) << k, jnp.uint32(0))

    words = jnp.zeros(probability.shape, jnp.uint32)
    if isinstance(slots, int):
        numbers = jnp.arange(slots, dtype=jnp.uint32).reshape(-1, *(1,) * probability.ndim)
        return draw(numbers, words).sum(axis=0, dtype=jnp.uint32)
    return jax.lax.fori_loop(jnp.uint32(0), slots, draw, words)


def input_trains(key, lines: Lines, first, slots) -> jax.Array:
    """:func:`trains` of all input lines, ``(batch, in)``."""
    return trains(key, *_numbers(lines.x), lines.gain_x * lines.x, lines.length, first, slots)


def output_trains(key, lines: Lines, first, slots) -> jax.Array:
    """:func:`trains` of all output lines, ``(batch, out)``."""
    return trains(key, *_numbers(lines.d), lines.gain_d * lines.d, lines.length, first, slots)


def any_output_bit(key, lines: Lines, pair, first, slots) -> jax.Array:
    """Which output lines have any bit, ``(batch, out)``, of the pairs from number ``pair`` on."""
    vector, line = _numbers(lines.d)

    def drawn(k):
        probability = jnp.where(first + k < lines.length, jnp.abs(lines.gain_d * lines.d), -1.0)
        return uniform(line_words(key, pair + vector, line, first + k)) <= probability

    def further(found):
        return jax.lax.fori_loop(jnp.uint32(1), slots, lambda k, found: found | drawn(k), found)

    # Mostly there is but one slot, which is not worth a loop.
    return jax.lax.cond(slots > 1, further, lambda found: found, drawn(jnp.uint32(0)))


def _numbers(vectors: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The numbers of the vectors, ``(batch, 1)``, and of their lines, ``(lines,)``."""
    return jnp.arange(len(vectors))[:, None], jnp.arange(vectors.shape[1])
