"""Several arrays that together hold one weight matrix."""

import functools
import itertools
import operator
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices import Device
from analogjax.pulses import Sent
from analogjax.tiles._counter import Counter
from analogjax.tiles._lines import put_lines, take_lines
from analogjax.tiles._tile import Tile, aged, program_tile, read


class TileStack(NamedTuple):
    r"""Tiles whose scaled sum is the weight matrix, :math:`W = \sum_n s_n W_n`.

    Tile 0 is the most significant one; the last is the one that receives the gradient.

    Attributes:
      tiles: the tiles, all ``(in, out)``.
      scales: significance :math:`s_n` of each tile, ``(tiles,)``, wired when the stack is made.
      coarse: scaled sum of all tiles but the last, kept up to date line by line, so that reading
        the matrix costs one product and one sum whatever the number of tiles; None for one or two
        tiles, whose first tile is that sum.
      pulses: number of up and of down pulses each tile has received, ``(tiles, 2)``.
      reads: number of lines of each tile that were read for transfers, ``(tiles,)``.
      trains: number of vector pairs sent to each tile as pulse trains, of those that asked for more
        pulses than a train holds, and of slots of all trains, ``(tiles, 3)``.
    """

    tiles: tuple[Tile, ...]
    scales: jax.Array
    coarse: jax.Array | None
    pulses: Counter
    reads: Counter
    trains: Counter


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

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import program_stack, read
      >>> devices = (SoftBounds.with_states(4),) * 2
      >>> w = jnp.array([[0.25, -0.5]])
      >>> stack = program_stack(jax.random.key(0), devices, w, jnp.array([1.0, 0.5]))
      >>> [read(tile).tolist() for tile in stack.tiles]
      [[[0.25, -0.5]], [[0.0, 0.0]]]
    """
    tiles = [
        program_tile(jax.random.fold_in(key, n), device, w if n == 0 else jnp.zeros_like(w))
        for n, device in enumerate(devices)
    ]
    coarse = _scaled_sum(map(read, tiles[:-1]), scales) if len(devices) > 2 else None
    count = len(devices)
    return TileStack(
        tuple(tiles),
        jnp.array(scales, jnp.float32),  # Of its own, so that a state can be donated.
        coarse,
        Counter.zeros((count, 2)),
        Counter.zeros((count,)),
        Counter.zeros((count, 3)),
    )


def of_one_device(devices: Sequence[Device]) -> list[range]:
    """The numbers of tiles that follow each other and have one device, the coarsest first.

    Example:
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import of_one_device
      >>> coarse, fine = SoftBounds.with_states(4), SoftBounds.with_states(20)
      >>> of_one_device([coarse, coarse, fine])
      [range(0, 2), range(2, 3)]
    """
    groups = itertools.groupby(range(len(devices)), lambda n: id(devices[n]))
    numbers = [list(group) for _, group in groups]
    return [range(group[0], group[-1] + 1) for group in numbers]


def effective_weight(stack: TileStack) -> jax.Array:
    r"""The weight matrix the stack stands for, ``(in, out)``.

    .. math:: W = \sum_n s_n W_n, \quad s_n \text{ the significance of tile } n

    Args:
      stack: the tiles.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import effective_weight, program_stack
      >>> devices = (SoftBounds.with_states(4),) * 2
      >>> w = jnp.array([[0.25, -0.5]])
      >>> stack = program_stack(jax.random.key(0), devices, w, jnp.array([1.0, 0.5]))
      >>> effective_weight(stack).tolist()
      [[0.25, -0.5]]
    """
    last = read(stack.tiles[-1])
    if len(stack.tiles) == 1:
        return last
    coarse = read(stack.tiles[0]) if stack.coarse is None else stack.coarse
    return coarse + stack.scales[-1] * last


def replace_tile(stack: TileStack, n: int, tile: Tile) -> TileStack:
    """The stack with another tile ``n``, which must be the last.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import effective_weight, program_stack, replace_tile
      >>> devices = (SoftBounds.with_states(4),) * 2
      >>> w, scales = jnp.zeros((1, 2)), jnp.array([1.0, 0.5])
      >>> stack = program_stack(jax.random.key(0), devices, w, scales)
      >>> tile = stack.tiles[1]._replace(w=jnp.array([[0.5, 0.0]]))
      >>> effective_weight(replace_tile(stack, 1, tile)).tolist()
      [[0.25, 0.0]]
    """
    return stack._replace(tiles=(*stack.tiles[:n], tile, *stack.tiles[n + 1 :]))


def replace_lines(
    stack: TileStack, n, first, lines: Tile, axis: int = 0, among: range | None = None
) -> TileStack:
    """The stack after an update of some lines of its tile ``n``, not the last.

    Args:
      stack: the stack before.
      n: number of the tile; traced if ``among`` is given.
      first: number of the first of the lines, int32; they go on in cyclic order.
      lines: the lines after it, as :func:`take_lines` gives them.
      axis: 0 for input lines, 1 for output lines.
      among: which tiles it can be.

    Returns:
      The stack after it.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import effective_weight, program_stack, replace_lines, take_lines
      >>> devices = (SoftBounds.with_states(4),) * 2
      >>> w, scales = jnp.zeros((2, 2)), jnp.array([1.0, 0.5])
      >>> stack = program_stack(jax.random.key(0), devices, w, scales)
      >>> line = take_lines(stack.tiles[0], 1, 1)._replace(w=jnp.array([[0.5, 0.0]]))
      >>> effective_weight(replace_lines(stack, 0, 1, line)).tolist()
      [[0.0, 0.0], [0.5, 0.0]]
    """

    def put(tile: Tile, is_it) -> Tile:
        def put_part(whole, part):
            if is_it is not True:
                part = jnp.where(is_it, part, take_lines(whole, first, lines.shape[0], axis))
            return put_lines(whole, first, part, axis)

        w, offset = jax.tree.map(put_part, (tile.w, tile.offset), (lines.w, lines.offset))
        return tile._replace(w=w, offset=offset)

    among = range(n, n + 1) if among is None else among
    some = [put(stack.tiles[m], len(among) == 1 or n == m) for m in among]
    tiles = (*stack.tiles[: among.start], *some, *stack.tiles[among.stop :])
    coarse = stack.coarse
    if coarse is not None:
        # Summed anew rather than added to, so that rounding never builds up.
        parts = [read(take_lines(tile, first, lines.shape[0], axis)) for tile in tiles[:-1]]
        coarse = put_lines(coarse, first, _scaled_sum(parts, stack.scales), axis)
    return stack._replace(tiles=tiles, coarse=coarse)


def age(keys: jax.Array, devices: Sequence[Device], stack: TileStack) -> TileStack:
    """The stack one mini-batch later: decay and diffusion of its tiles, where they have any.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import age, effective_weight, program_stack
      >>> devices = (SoftBounds(dw_min=0.1, lifetime=4.0).without_variation(),)
      >>> stack = program_stack(jax.random.key(0), devices, jnp.array([[0.4]]), jnp.ones(1))
      >>> stack = age(jax.random.split(jax.random.key(1), 1), devices, stack)
      >>> round(float(effective_weight(stack)[0, 0]), 2)
      0.3
    """
    if all(tile.ageing is None for tile in stack.tiles):
        return stack
    parts = zip(keys, devices, stack.tiles, strict=True)
    tiles = tuple(aged(key, device, tile) for key, device, tile in parts)
    coarse = stack.coarse
    if coarse is not None:
        coarse = _scaled_sum(map(read, tiles[:-1]), stack.scales)
    return stack._replace(tiles=tiles, coarse=coarse)


def count_pulses(stack: TileStack, n: int, sent: Sent) -> TileStack:
    """The stack with the pulses counted that its tile ``n`` was sent.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.pulses import Sent
      >>> from analogjax.tiles import count_pulses, program_stack
      >>> devices = (SoftBounds.with_states(4),) * 2
      >>> w, scales = jnp.zeros((1, 2)), jnp.array([1.0, 0.5])
      >>> stack = program_stack(jax.random.key(0), devices, w, scales)
      >>> up, down = jnp.array([[3, 0]]), jnp.array([[1, 1]])
      >>> sent = Sent.summed(stack.tiles[1].w, up, down)
      >>> count_pulses(stack, 1, sent).pulses.exact().tolist()
      [[0.0, 0.0], [3.0, 2.0]]
    """
    none = jnp.zeros(stack.pulses.total.shape, jnp.float32)
    amounts = none.at[n].set(sent.total.astype(jnp.float32))
    return stack._replace(pulses=stack.pulses.add(amounts))


def count_reads(stack: TileStack, n: int, lines: int) -> TileStack:
    """The stack with the reading of some lines of its tile ``n`` counted.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import count_reads, program_stack
      >>> devices = (SoftBounds.with_states(4),) * 2
      >>> w, scales = jnp.zeros((1, 2)), jnp.array([1.0, 0.5])
      >>> stack = program_stack(jax.random.key(0), devices, w, scales)
      >>> count_reads(stack, 1, 2).reads.exact().tolist()
      [0.0, 2.0]
    """
    amounts = jnp.zeros(stack.reads.total.shape, jnp.float32).at[n].set(lines)
    return stack._replace(reads=stack.reads.add(amounts))


def count_trains(stack: TileStack, n: int, pairs: int, sent: Sent) -> TileStack:
    """The stack with the trains counted that its tile ``n`` was sent, if these were trains.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.pulses import Sent
      >>> from analogjax.tiles import count_trains, program_stack
      >>> device = SoftBounds.with_states(4)
      >>> stack = program_stack(jax.random.key(0), (device,), jnp.zeros((1, 2)), jnp.ones(1))
      >>> sent = Sent.summed(stack.tiles[0].w, jnp.array([[3, 0]]), jnp.array([[1, 1]]))
      >>> sent = sent._replace(cut=jnp.float32(1), slots=jnp.float32(40))
      >>> count_trains(stack, 0, 8, sent).trains.exact().tolist()
      [[8.0, 1.0, 40.0]]
    """
    if sent.cut is None or sent.slots is None:
        return stack
    none = jnp.zeros(stack.trains.total.shape, jnp.float32)
    amounts = none.at[n].set(jnp.stack([jnp.float32(pairs), sent.cut, sent.slots]))
    return stack._replace(trains=stack.trains.add(amounts))


def _scaled_sum(parts: Iterable[jax.Array], scales: jax.Array) -> jax.Array:
    return functools.reduce(operator.add, (scales[n] * part for n, part in enumerate(parts)))
