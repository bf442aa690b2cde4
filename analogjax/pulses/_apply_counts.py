"""Sending given numbers of pulses to every crosspoint, one after another."""

import functools

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._batching import elementwise
from analogjax.pulses._words import normals, stream, uniform

# Passes that suit processors which wait at each turn of a loop to learn whether it ends.
PASSES = 4


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
    array for each pulse of the busiest crosspoint.

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
    cells = jax.tree.map(lambda part: _row(part) if jnp.ndim(part) == 2 else part, cells)
    words, row, up, down = jax.tree.map(_row, (words, w, up, down))
    row = in_turns(words, device, cells, row, up, down)
    return jax.tree.map(lambda part, before: part.reshape(before.shape), row, w)


def _row(part: jax.Array) -> jax.Array:
    return part.reshape(1, -1)


def _in_turns(passes: int, words, device, cells, w, up, down):
    """The weights after the pulses, all crosspoints taking their next one together."""
    shape = jnp.broadcast_shapes(words.shape, up.shape, down.shape)
    up, down, w = jax.tree.map(lambda part: jnp.broadcast_to(part, shape), (up, down, w))

    most = jnp.max(up + down)

    def one_pulse(carry):
        i, up, down, w = carry
        chance = up / jnp.maximum(up + down, 1)
        first = 2 + i * (1 + device.num_normals)
        is_up = uniform(stream(words, first)) <= chance
        is_down = ~is_up & (down > 0)
        direction = is_up.astype(jnp.int8) - is_down.astype(jnp.int8)
        xi = normals(words, first + 1, device.num_normals)
        w = device.pulse(cells, w, direction, xi)
        return i + 1, up - is_up, down - is_down, w

    def some_pulses(carry):
        return jax.lax.fori_loop(0, passes, lambda _, carry: one_pulse(carry), carry)

    body = one_pulse if passes == 1 else some_pulses
    start = jnp.int32(0), up, down, w
    return jax.lax.while_loop(lambda carry: carry[0] < most, body, start)[-1]
