"""The exact stochastic update at a cost that follows the number of pulses."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._batching import one_by_one
from analogjax.pulses._lines import Lines
from analogjax.pulses._listing import set_bits
from analogjax.pulses._send_list import Progress, PulseList, send_list
from analogjax.pulses._sent import Sent
from analogjax.pulses._words import uniform, words_at

# Slots whose bits are kept in one word.
_SLOTS = 32
# Bits on input lines that are drawn together, and coincidences that are sent together.
_BITS, _LIST = 2**14, 2**9


class _Keys(NamedTuple):
    """What the bits on the lines and the noise of the pulses are drawn from."""

    x: jax.Array
    d: jax.Array
    noise: jax.Array


@one_by_one
def send_bits(key: jax.Array, device: Device, cells: AnyCells, w, lines: Lines, longest) -> Sent:
    """Sends the coincidences of all bit trains, vector pair by vector pair and slot by slot.

    Each line draws the bits of its train, 32 slots in a word. The output lines with any bit are
    listed, and for these the coincidences with the input lines of their pair: all else is left
    alone.

    Args:
      key: a PRNG key.
      device: the device.
      cells: its constants.
      w: weights, ``(in, out)``.
      lines: what the pulse generators do, for ``(batch, in)`` and ``(batch, out)``.
      longest: int, length that no pulse train exceeds.

    Returns:
      The new weights and the pulses sent.
    """
    shape = jax.tree.leaves(w)[0].shape
    keys = _Keys(*jax.random.split(key, 3))
    send = functools.partial(_send_words, keys, device, cells, shape)
    progress = Progress.start(w)
    if longest <= _SLOTS:
        progress = send(lines, 0, 0, progress)
    else:
        # Longer trains take several words, of which one pair after another is sent.
        def one_pair(progress, inputs):
            number, line = inputs
            line = jax.tree.map(lambda part: part[None], line)

            def one_word(carry):
                first, progress = carry
                return first + _SLOTS, send(line, number, first, progress)

            _, progress = jax.lax.while_loop(
                lambda carry: carry[0] < line.length[0, 0], one_word, (jnp.int32(0), progress)
            )
            return progress, None

        progress, _ = jax.lax.scan(one_pair, progress, (jnp.arange(len(lines.x)), lines))
    return progress.sent(shape)


def _send_words(keys: _Keys, device, cells, shape, lines: Lines, pair, first, progress) -> Progress:
    """The coincidences of up to 32 slots from ``first`` on, of the pairs numbered from ``pair``."""
    (pairs, inputs), outputs = lines.x.shape, lines.d.shape[1]
    slots = jnp.clip(lines.length.max() - first, 0, _SLOTS).astype(jnp.uint32)
    listed, total = set_bits(_any_bit(keys.d, lines, pair * outputs, first, slots).ravel())
    some = min(max(_BITS // inputs, 1), pairs * outputs)

    def some_outputs(carry):
        start, progress = carry
        at = start + jnp.arange(some)
        line = listed[jnp.minimum(at, listed.size - 1)]
        own, output = line // outputs, line % outputs
        x, d = lines.x[own], lines.d.ravel()[line][:, None]
        number_x = (pair + own)[:, None] * inputs + jnp.arange(inputs)
        number_d = (pair * outputs + line)[:, None]
        length = jnp.where(at[:, None] < total, lines.length[own], 0.0)
        words_x = _words(keys.x, number_x, lines.gain_x[own] * x, length, first, slots)
        words_d = _words(keys.d, number_d, lines.gain_d[own] * d, length, first, slots)
        count = jax.lax.population_count(words_x & words_d).astype(jnp.int32)
        column = (pair + own) % (shape[1] // outputs) * outputs + output
        place = jnp.arange(inputs) * shape[1] + column[:, None]
        down = (x > 0) == (d > 0)
        return start + some, _send_counts(keys.noise, device, cells, count, down, place, progress)

    return jax.lax.while_loop(
        lambda carry: carry[0] < total, some_outputs, (jnp.int32(0), progress)
    )[1]


def _any_bit(key, lines: Lines, number, first, slots) -> jax.Array:
    """Which output lines have any bit in the slots from ``first`` on."""
    number = number + jnp.arange(lines.d.size).reshape(lines.d.shape)

    def drawn(k):
        probability = jnp.where(first + k < lines.length, jnp.abs(lines.gain_d * lines.d), -1.0)
        return uniform(words_at(key, number, first + k)) <= probability

    def further(found):
        return jax.lax.fori_loop(jnp.uint32(1), slots, lambda k, found: found | drawn(k), found)

    # Mostly there is but one slot, which is not worth a loop.
    return jax.lax.cond(slots > 1, further, lambda found: found, drawn(jnp.uint32(0)))


def _words(key, number, probability, length, first, slots) -> jax.Array:
    """The bits of the slots from ``first`` on in one word for each line."""

    def draw(k, words):
        bit = uniform(words_at(key, number, first + k)) <= jnp.abs(probability)
        return words | jnp.where(bit & (first + k < length), jnp.uint32(1) << k, jnp.uint32(0))

    return jax.lax.fori_loop(jnp.uint32(0), slots, draw, jnp.zeros(number.shape, jnp.uint32))


def _send_counts(key, device, cells, count, down, place, progress) -> Progress:
    """Sends the coincidences that are there, in the order of the arrays that hold them."""
    listed, total = set_bits((count > 0).ravel())

    def some_coincidences(carry):
        start, progress = carry
        at = start + jnp.arange(_LIST)
        k = listed[jnp.minimum(at, listed.size - 1)]
        pulses = PulseList(
            place=place.ravel()[k],
            down=down.ravel()[k],
            count=jnp.where(at < total, count.ravel()[k], 0),
        )
        return start + _LIST, send_list(key, device, cells, pulses, progress)

    return jax.lax.while_loop(
        lambda carry: carry[0] < total, some_coincidences, (jnp.int32(0), progress)
    )[1]
