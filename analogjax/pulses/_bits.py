"""The exact stochastic update at a cost that follows the number of pulses."""

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._batching import one_by_one
from analogjax.pulses._counts import drawn_bits, first_set
from analogjax.pulses._lines import Lines
from analogjax.pulses._sent import Sent
from analogjax.pulses._words import draw_words, normals, stream

# Coincidences of one slot that are looked at together.
_CHUNK = 256


@one_by_one
def send_bits(key: jax.Array, device: Device, cells: AnyCells, w, lines: Lines) -> Sent:
    """Sends the coincidences of all bit trains, sample by sample and slot by slot.

    In every slot each line draws its bit. The crosspoints where two bits meet are listed, and only
    these are touched.

    Args:
      key: a PRNG key.
      device: the device.
      cells: its constants.
      w: weights, ``(in, out)``.
      lines: what the pulse generators do, ``(batch, in)``, ``(batch, out)``, ``(batch, 1)``.

    Returns:
      The new weights and the pulses sent.
    """
    shape = lines.x.shape[1], lines.d.shape[1]
    key_x, key_d, key_noise = jax.random.split(key, 3)
    bits_x, bits_d = draw_words(key_x, lines.x.shape), draw_words(key_d, lines.d.shape)
    noise = draw_words(key_noise, (_CHUNK,))

    def one_sample(carry, sample):
        line, words_x, words_d = sample

        def one_slot(carry):
            slot, chunk, sent = carry
            rows, num_rows = first_set(drawn_bits(line.x, words_x, slot))
            columns, num_columns = first_set(drawn_bits(line.d, words_d, slot))

            def some_coincidences(carry):
                start, chunk, sent = carry
                number = start + jnp.arange(_CHUNK)
                row = rows[jnp.minimum(number // num_columns, shape[0] - 1)]
                column = columns[number % num_columns]
                direction = -jnp.sign(line.x[row]) * jnp.sign(line.d[column])
                direction = jnp.where(number < num_rows * num_columns, direction, 0.0)
                place = row * shape[1] + column
                sent = _pulse(device, cells, sent, place, direction, stream(noise, chunk))
                return start + _CHUNK, chunk + 1, sent

            _, chunk, sent = jax.lax.while_loop(
                lambda carry: carry[0] < num_rows * num_columns,
                some_coincidences,
                (jnp.int32(0), chunk, sent),
            )
            return slot + 1, chunk, sent

        chunk, sent = carry
        _, chunk, sent = jax.lax.while_loop(
            lambda carry: carry[0] < line.length[0], one_slot, (jnp.int32(0), chunk, sent)
        )
        return (chunk, sent), None

    none = jnp.zeros(shape[0] * shape[1], jnp.int32)
    start = jnp.int32(0), Sent(jax.tree.map(jnp.ravel, w), none, none)
    (_, sent), _ = jax.lax.scan(one_sample, start, (lines, bits_x, bits_d))
    return jax.tree.map(lambda part: part.reshape(shape), sent)


def _pulse(device: Device, cells, sent: Sent, place, direction, words) -> Sent:
    """One pulse at each of some places, all different, but for those without a direction."""

    def own(part):
        return part.ravel()[place] if jnp.ndim(part) == 2 else part

    xi = normals(words, 0, device.num_normals)
    before = jax.tree.map(lambda part: part[place], sent.w)
    after = device.pulse(jax.tree.map(own, cells), before, direction, xi)
    at = jnp.where(direction == 0, sent.up.size, place)

    def put(part, new):
        return part.at[at].set(new, mode="drop")

    return Sent(
        jax.tree.map(put, sent.w, after),
        sent.up.at[at].add((direction > 0).astype(jnp.int32), mode="drop"),
        sent.down.at[at].add((direction < 0).astype(jnp.int32), mode="drop"),
    )
