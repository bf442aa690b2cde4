"""Sending the pulses of a list, one after another at each crosspoint."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._listing import visit_set_bits
from analogjax.pulses._words import normals, stream, words_at

# Pulses a crosspoint from which a CPU is faster with passes over the whole array than with a list.
MANY = 0.3
# Entries that are sent together.
_LIST = 2**9


class PulseList(NamedTuple):
    """Pulses in the order they come, of any crosspoints.

    Attributes:
      place: number of the crosspoint, ``in * number of outputs + out``, int32, ``(n,)``.
      down: whether the pulses are down pulses, ``(n,)``.
      times: how many there are, one after another, int32, ``(n,)``; may be zero.
    """

    place: jax.Array
    down: jax.Array
    times: jax.Array


class Progress(NamedTuple):
    """An array while it is being pulsed, its crosspoints in one row.

    Attributes:
      w: the weights.
      total: number of up and of down pulses of all crosspoints so far, uint32, ``(2,)``.
      seen: number of list entries so far, uint32; the address of their noise.
    """

    w: Any
    total: jax.Array
    seen: jax.Array

    @classmethod
    def start(cls, w) -> "Progress":
        """Before the first pulse."""
        return cls(jax.tree.map(jnp.ravel, w), jnp.zeros(2, jnp.uint32), jnp.uint32(0))

    def outcome(self, shape: tuple[int, int]) -> tuple[Any, jax.Array]:
        """The weights, of the given shape, and the total, float32."""
        w = jax.tree.map(lambda part: part.reshape(shape), self.w)
        return w, self.total.astype(jnp.float32)


def send_counts(
    key: jax.Array, device: Device, cells: AnyCells, count, down, place, progress: Progress
) -> Progress:
    """Sends given numbers of pulses, most of them zero, in the order of the arrays.

    Args:
      key: a PRNG key for the noise of the pulses.
      device: the device.
      cells: its constants, of the shape of the array.
      count: number of pulses, int32, an array of any shape.
      down: whether they are down pulses, of the same shape.
      place: numbers of their crosspoints, likewise.
      progress: the array before.
    """

    def some_entries(k, there, progress):
        pulses = PulseList(
            place=place.ravel()[k],
            down=down.ravel()[k],
            times=jnp.where(there, count.ravel()[k], 0),
        )
        return send_list(key, device, cells, pulses, progress)

    return visit_set_bits((count > 0).ravel(), _LIST, some_entries, progress)


def send_list(
    key: jax.Array, device: Device, cells: AnyCells, pulses: PulseList, progress: Progress
) -> Progress:
    """The array after the pulses of a list, each seeing the weight that those before have left.

    The first entry of each crosspoint sends one pulse, all of them together, until there is none
    left. Which one is first is found in a table that crosspoints share: where two of them meet in
    it, one waits.

    Args:
      key: a PRNG key for the noise of the pulses.
      device: the device.
      cells: its constants, of the shape of the array.
      pulses: the list.
      progress: the array before.
    """
    size = len(pulses.place)
    words = words_at(key, progress.seen + jnp.arange(size, dtype=jnp.uint32))
    table_bits = (8 * size - 1).bit_length()
    bucket = (pulses.place.astype(jnp.uint32) * jnp.uint32(0x9E3779B1)) >> (32 - table_bits)
    own_cells = jax.tree.map(
        lambda part: part.ravel()[pulses.place] if jnp.ndim(part) == 2 else part, cells
    )
    rank = size - jnp.arange(size, dtype=jnp.int32)

    def one_pulse(carry):
        turn, table, count, w = carry
        tag = turn * size + rank  # Larger than all of the turns before.
        table = table.at[jnp.where(count > 0, bucket, 2**table_bits)].max(tag, mode="drop")
        now = (count > 0) & (table[bucket] == tag)
        at = jnp.where(now, pulses.place, jax.tree.leaves(w)[0].size)
        direction = jnp.where(now, jnp.where(pulses.down, -1.0, 1.0), 0.0)
        before = jax.tree.map(lambda part: part[pulses.place], w)
        xi = normals(stream(words, turn), 0, device.num_normals)
        after = device.pulse(own_cells, before, direction, xi)
        w = jax.tree.map(lambda part, new: part.at[at].set(new, mode="drop"), w, after)
        return turn + 1, table, count - now, w

    start = jnp.int32(0), jnp.zeros(2**table_bits, jnp.int32), pulses.times, progress.w
    *_, w = jax.lax.while_loop(lambda carry: jnp.any(carry[2] > 0), one_pulse, start)
    by_sign = jnp.stack([~pulses.down, pulses.down])
    return Progress(
        w,
        total=progress.total + jnp.sum(by_sign * pulses.times, axis=1).astype(jnp.uint32),
        seen=progress.seen + jnp.uint32(size),
    )
