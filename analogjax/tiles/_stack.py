"""Several arrays that together hold one weight matrix."""

import functools
import operator
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices import Cells, Device
from analogjax.pulses import Sent
from analogjax.tiles._counter import Counter
from analogjax.tiles._rows import put_rows, take_rows


class Tile(NamedTuple):
    """One array of crosspoints.

    Attributes:
      w: its weights, ``(in, out)``, float32, in units of the device's bounds.
      cells: the constants of its crosspoints.
    """

    w: jax.Array
    cells: Cells


class TileStack(NamedTuple):
    r"""Tiles whose scaled sum is the weight matrix, :math:`W = \sum_n s_n W_n`.

    Tile 0 is the most significant one; the last is the one that receives the gradient.

    Attributes:
      tiles: the tiles, all ``(in, out)``.
      coarse: scaled sum of all tiles but the last, kept up to date row by row, so that reading the
        matrix costs one product and one sum whatever the number of tiles; None for one or two
        tiles, whose first tile is that sum.
      pulses: number of up and of down pulses each tile has received, ``(tiles, 2)``.
    """

    tiles: tuple[Tile, ...]
    coarse: jax.Array | None
    pulses: Counter


def program_stack(
    key: jax.Array, devices: Sequence[Device], w: jax.Array, scales: jax.Array
) -> TileStack:
    """A stack that holds ``w`` on its most significant tile, clipped to that tile's bounds.

    Args:
      key: a PRNG key, for the constants of the crosspoints.
      devices: the device of each tile, the most significant one first.
      w: weights to program, ``(in, out)``.
      scales: significance of each tile, ``(tiles,)``, the first one 1.

    Returns:
      The stack; all tiles but the first hold zero (or what their cells hold when asked for it).
    """
    tiles = []
    for n, device in enumerate(devices):
        cells = device.sample(jax.random.fold_in(key, n), w.shape)
        wanted = w if n == 0 else jnp.zeros_like(w)
        tiles.append(Tile(jnp.broadcast_to(device.program(cells, wanted), w.shape), cells))
    coarse = _scaled_sum([tile.w for tile in tiles[:-1]], scales) if len(devices) > 2 else None
    return TileStack(tuple(tiles), coarse, Counter.zeros((len(devices), 2)))


def effective_weight(stack: TileStack, scales: jax.Array) -> jax.Array:
    """The weight matrix the stack stands for, ``(in, out)``."""
    last = stack.tiles[-1].w
    if len(stack.tiles) == 1:
        return last
    coarse = stack.tiles[0].w if stack.coarse is None else stack.coarse
    return coarse + scales[-1] * last


def replace_tile(stack: TileStack, n: int, sent: Sent) -> TileStack:
    """The stack after an update of its whole tile ``n``, which must be the last."""
    tiles = (*stack.tiles[:n], stack.tiles[n]._replace(w=sent.w), *stack.tiles[n + 1 :])
    return stack._replace(tiles=tiles)


def replace_rows(
    stack: TileStack, n: int, first: jax.Array, sent: Sent, scales: jax.Array
) -> TileStack:
    """The stack after an update of some rows (input lines) of its tile ``n``, not the last.

    Args:
      stack: the stack before.
      n: number of the tile.
      first: number of the first of the rows, int32; they go on in cyclic order.
      sent: what they were sent, ``(rows, out)``.
      scales: significance of each tile.

    Returns:
      The stack after it.
    """
    tile = stack.tiles[n]
    tile = tile._replace(w=put_rows(tile.w, first, sent.w))
    tiles = (*stack.tiles[:n], tile, *stack.tiles[n + 1 :])
    coarse = stack.coarse
    if coarse is not None:
        # Summed anew rather than added to, so that rounding never builds up.
        parts = [take_rows(tile.w, first, sent.w.shape[0]) for tile in tiles[:-1]]
        coarse = put_rows(coarse, first, _scaled_sum(parts, scales))
    return stack._replace(tiles=tiles, coarse=coarse)


def count_pulses(stack: TileStack, sent: dict[int, Sent]) -> TileStack:
    """The stack with the pulses counted that its tiles, named by number, were sent in a step."""
    amounts = jnp.zeros(stack.pulses.total.shape, jnp.float32)
    for n, update in sent.items():
        amount = jnp.stack([jnp.sum(update.up), jnp.sum(update.down)])
        amounts = amounts.at[n].set(amount.astype(jnp.float32))
    return stack._replace(pulses=stack.pulses.add(amounts))


def _scaled_sum(parts: Sequence[jax.Array], scales: jax.Array) -> jax.Array:
    return functools.reduce(operator.add, (scales[n] * part for n, part in enumerate(parts)))
