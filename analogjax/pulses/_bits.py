"""The exact stochastic update at a cost that follows the number of pulses."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._batching import one_by_one
from analogjax.pulses._lines import Lines
from analogjax.pulses._listing import visit_set_bits
from analogjax.pulses._send_list import Progress, send_counts
from analogjax.pulses._tally import Tally
from analogjax.pulses._trains import SLOTS, any_output_bit, slots_from, trains

# Bits on input lines that are drawn together.
_BITS = 2**14


class _Keys(NamedTuple):
    """What the bits on the lines and the noise of the pulses are drawn from."""

    x: jax.Array
    d: jax.Array
    noise: jax.Array


@one_by_one
def send_bits(
    key: jax.Array, device: Device | Tally, cells: AnyCells | tuple[()], w, lines: Lines, longest
) -> tuple[Any, jax.Array]:
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
      The new weights, and the number of up and of down pulses of all crosspoints, ``(2,)``.
    """
    shape = jax.tree.leaves(w)[0].shape
    keys = _Keys(*jax.random.split(key, 3))
    send = functools.partial(_send_words, keys, device, cells, shape)
    progress = Progress.start(w)
    if longest <= SLOTS:
        progress = send(lines, 0, 0, progress)
    else:
        # Longer trains take several words, of which one pair after another is sent.
        def one_pair(progress, inputs):
            number, line = inputs
            line = jax.tree.map(lambda part: part[None], line)

            def one_word(carry):
                first, progress = carry
                return first + SLOTS, send(line, number, first, progress)

            _, progress = jax.lax.while_loop(
                lambda carry: carry[0] < line.length[0, 0], one_word, (jnp.int32(0), progress)
            )
            return progress, None

        progress, _ = jax.lax.scan(one_pair, progress, (jnp.arange(len(lines.x)), lines))
    return progress.outcome(shape)


def _send_words(keys: _Keys, device, cells, shape, lines: Lines, pair, first, progress) -> Progress:
    """The coincidences of up to 32 slots from ``first`` on, of the pairs numbered from ``pair``."""
    inputs, outputs = lines.x.shape[1], lines.d.shape[1]
    slots = slots_from(lines, first)
    any_bit = any_output_bit(keys.d, lines, pair, first, slots).ravel()

    def some_outputs(line, there, progress):
        own, output = line // outputs, line % outputs
        x, d = lines.x[own], lines.d.ravel()[line][:, None]
        vector = (pair + own)[:, None]
        length = jnp.where(there[:, None], lines.length[own], 0.0)
        words_x = trains(
            keys.x, vector, jnp.arange(inputs), lines.gain_x[own] * x, length, first, slots
        )
        words_d = trains(
            keys.d, vector, output[:, None], lines.gain_d[own] * d, length, first, slots
        )
        count = jax.lax.population_count(words_x & words_d).astype(jnp.int32)
        column = (pair + own) % (shape[1] // outputs) * outputs + output
        place = jnp.arange(inputs) * shape[1] + column[:, None]
        down = (x > 0) == (d > 0)
        return send_counts(keys.noise, device, cells, count, down, place, progress)

    return visit_set_bits(any_bit, max(_BITS // inputs, 1), some_outputs, progress)
