"""Writing lines of a tile, each with its own pulse trains."""

import jax
import jax.numpy as jnp

from analogjax.devices import Device
from analogjax.pulses import PulseScheme, Sent
from analogjax.rules._readout import Readout
from analogjax.tiles import TileStack, count_pulses, count_trains, pick, replace_lines, written


def write_lines(
    key: jax.Array,
    pulses: PulseScheme,
    device: Device,
    stack: TileStack,
    n: int,
    readout: Readout,
    first,
    change: jax.Array,
    rate,
    among: range | None = None,
) -> TileStack:
    """The stack after lines of its tile ``n`` were moved by ``rate * change``, in pulses.

    One line after another is on (x = 1) while the others of its crossings carry the change.

    Args:
      key: a PRNG key.
      pulses: the scheme that writes.
      device: that of the tile.
      stack: the stack before.
      n: number of the tile, not the last; traced if ``among`` is given.
      readout: how many lines, and along which axis.
      first: number of the first line.
      change: wanted change, ``(lines, out)``, or ``(lines, in)`` for output lines.
      rate: weight change per unit of it.
      among: which tiles it can be, all of one device.
    """
    among = range(n, n + 1) if among is None else among
    tiles = [readout.take(stack.tiles[m], stack.tiles[m], first) for m in among]
    tile = pick(n - among.start, tiles)

    def one_line(key, cells, w, change):
        return pulses.send(key, device, cells, w, jnp.ones((1, 1)), -change, rate)

    if change.shape[0] == 1:  # The usual case, which compiles faster by itself.
        sent = one_line(key, tile.cells, tile.w, change)
    else:
        # Each line becomes an array of one line.
        cells, w, change = jax.tree.map(
            lambda leaf: leaf[:, None] if jnp.ndim(leaf) == 2 else leaf,
            (tile.cells, tile.w, change),
        )
        axes = jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) == 3 else None, cells)
        keys = jax.random.split(key, change.shape[0])
        sent = jax.vmap(one_line, in_axes=(0, axes, 0, 0))(keys, cells, w, change)
        w, up, down = jax.tree.map(lambda leaf: leaf[:, 0], (sent.w, sent.up, sent.down))
        sums = jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), (sent.total, sent.cut, sent.slots))
        sent = Sent(w, up, down, *sums)
    lines = written(key, device, tile, sent)
    stack = replace_lines(stack, n, first, lines, readout.axis, among)
    return count_trains(count_pulses(stack, n, sent), n, lines.shape[0], sent)
