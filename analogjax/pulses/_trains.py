"""The bits of pulse trains, 32 slots in a word, addressed by line and slot."""

import jax
import jax.numpy as jnp

from analogjax.pulses._lines import Lines
from analogjax.pulses._words import uniform, words_at

# Slots whose bits are kept in one word.
SLOTS = 32


def slots_from(lines: Lines, first) -> jax.Array:
    """How many slots of the longest train, up to a word of them, come from ``first`` on."""
    return jnp.clip(lines.length.max() - first, 0, SLOTS).astype(jnp.uint32)


def trains(key, number, probability, length, first, slots) -> jax.Array:
    """The bits of some lines in the slots from ``first`` on, one uint32 word for each line.

    Args:
      key: a PRNG key.
      number: the numbers of the lines, which address their bits.
      probability: of a bit in one slot, of any sign.
      length: number of slots of each train.
      first: number of the first slot.
      slots: how many slots, uint32, at most 32.
    """

    def draw(k, words):
        bit = uniform(words_at(key, number, first + k)) <= jnp.abs(probability)
        return words | jnp.where(bit & (first + k < length), jnp.uint32(1) << k, jnp.uint32(0))

    return jax.lax.fori_loop(jnp.uint32(0), slots, draw, jnp.zeros(number.shape, jnp.uint32))


def input_trains(key, lines: Lines, first, slots) -> jax.Array:
    """:func:`trains` of all input lines, ``(batch, in)``."""
    number = jnp.arange(lines.x.size).reshape(lines.x.shape)
    return trains(key, number, lines.gain_x * lines.x, lines.length, first, slots)


def output_trains(key, lines: Lines, first, slots) -> jax.Array:
    """:func:`trains` of all output lines, ``(batch, out)``."""
    number = jnp.arange(lines.d.size).reshape(lines.d.shape)
    return trains(key, number, lines.gain_d * lines.d, lines.length, first, slots)


def any_output_bit(key, lines: Lines, number, first, slots) -> jax.Array:
    """Which output lines, numbered from ``number`` on, have any bit, ``(batch, out)``."""
    number = number + jnp.arange(lines.d.size).reshape(lines.d.shape)

    def drawn(k):
        probability = jnp.where(first + k < lines.length, jnp.abs(lines.gain_d * lines.d), -1.0)
        return uniform(words_at(key, number, first + k)) <= probability

    def further(found):
        return jax.lax.fori_loop(jnp.uint32(1), slots, lambda k, found: found | drawn(k), found)

    # Mostly there is but one slot, which is not worth a loop.
    return jax.lax.cond(slots > 1, further, lambda found: found, drawn(jnp.uint32(0)))
