"""Sending given numbers of pulses to every crosspoint, one after another."""

import functools

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._batching import elementwise
from analogjax.pulses._listing import visit_set_bits
from analogjax.pulses._words import normals, stream, uniform

# Passes that suit processors which wait at each turn of a loop to learn whether it ends.
PASSES = 4
# Crosspoints that are taken together where few have pulses left.
_PIECE = 512


def apply_counts(
    words: jax.Array,
    device: Device,
    cells: AnyCells,
    w: jax.Array,
    up: jax.Array,
    down: jax.Array,
    passes: int = 1,
) -> jax.Array:
    """The weights after ``up`` and ``down`` pulses in random order, each seeing the moved weight.

    All crosspoints take their first pulse together, then their second, and so on; a pass over the
    array for each pulse of the busiest crosspoint, or with ``passes=1`` until so few have any left
    that these are faster picked out.

    Args:
      words: a uint32 word for each crosspoint, for order and noise (streams from 2 on).
      device: the device.
      cells: its constants.
      w: weights, ``(in, out)``.
      up: int32 number of up pulses, ``(in, out)``.
      down: int32 number of down pulses, ``(in, out)``.
      passes: how many pulses of each crosspoint are sent in one turn of the loop; with more than
        one, the array keeps its shape, and so may be split between devices.

    Returns:
      The weights after all pulses.
    """
    in_turns = elementwise(functools.partial(_in_turns, passes))
    if passes > 1:
        return in_turns(words, device, cells, w, up, down)
    # In one row, since a CPU computes rows of a few numbers one number at a time.
    cells = jax.tree.map(lambda part: _row(part) if _is_array(part) else part, cells)
    words, row, up, down = jax.tree.map(_row, (words, w, up, down))
    row = in_turns(words, device, cells, row, up, down)
    return jax.tree.map(lambda part, before: part.reshape(before.shape), row, w)


def _row(part: jax.Array) -> jax.Array:
    return part.reshape(1, -1)


def _in_turns(passes: int, words, device, cells, w, up, down):
    """The weights after the pulses, all crosspoints taking their next one together."""
    # Of a batch some of these may be in common.
    parts = jax.tree.leaves((words, device, cells, w, up, down))
    shape = jnp.broadcast_shapes(*(part.shape for part in parts if _is_array(part)))
    words, up, down, w = jax.tree.map(
        lambda part: jnp.broadcast_to(part, shape), (words, up, down, w)
    )
    start = jnp.int32(0), up, down, w
    one_pulse = functools.partial(_one_pulse, words, device, cells)
    if passes > 1:
        most = jnp.max(up + down)
        return jax.lax.while_loop(
            lambda carry: carry[0] < most,
            lambda carry: jax.lax.fori_loop(0, passes, lambda _, carry: one_pulse(carry), carry),
            start,
        )[-1]
    few = words.size // 8 if words.size > 4 * _PIECE else 0
    carry = jax.lax.while_loop(
        lambda carry: jnp.sum(carry[1] + carry[2] > 0) > few, one_pulse, start
    )
    return _rest_in_pieces(words, device, cells, carry) if few else carry[-1]


def _is_array(part) -> bool:
    """Whether it has a number for each crosspoint, and is no table or scalar."""
    return jnp.ndim(part) >= 2


def _one_pulse(words, device, cells, carry):
    """Pulse number i of each crosspoint that has one left."""
    i, up, down, w = carry
    chance = up / jnp.maximum(up + down, 1)
    first = 2 + i * (1 + device.num_normals)
    is_up = uniform(stream(words, first)) <= chance
    is_down = ~is_up & (down > 0)
    direction = is_up.astype(jnp.int8) - is_down.astype(jnp.int8)
    xi = normals(words, first + 1, device.num_normals)
    w = device.pulse(cells, w, direction, xi)
    return i + 1, up - is_up, down - is_down, w


def _rest_in_pieces(words, device, cells, carry):
    """The weights after what is left for few crosspoints, so many of them taken together."""
    i, up, down, w = carry
    shape = words.shape

    def one_piece(k, there, row):
        def own(part):
            return jnp.broadcast_to(part, shape).ravel()[k] if _is_array(part) else part

        some_up, some_down = (jnp.where(there, own(part), 0) for part in (up, down))
        some = own(words), *jax.tree.map(own, (device, cells))
        *_, after = jax.lax.while_loop(
            lambda carry: jnp.any(carry[1] + carry[2] > 0),
            functools.partial(_one_pulse, *some),
            (i, some_up, some_down, jax.tree.map(lambda part: part[k], row)),
        )
        k = jnp.where(there, k, words.size)
        return jax.tree.map(lambda part, new: part.at[k].set(new, mode="drop"), row, after)

    left = (up + down > 0).ravel()
    row = visit_set_bits(left, _PIECE, one_piece, jax.tree.map(jnp.ravel, w))
    return jax.tree.map(lambda part: part.reshape(shape), row)
