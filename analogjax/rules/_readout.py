"""Which lines of a tile a transfer reads, and through what."""

import dataclasses
import math
from collections.abc import Callable
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import check_count
from analogjax.rules._checks import check_choice
from analogjax.tiles import Tile, put_lines, read, take_lines

Lines = Literal["inputs", "outputs"]
Order = Literal["cyclic", "random"]
# What a transfer draws of its own from the key of its tile, far from what pulses and tiles use.
_ORDER, _READ = (np.uint32(2**32 - n) for n in (11, 12))
# A product with an array: ``(key, x, w) -> x @ w`` as the periphery gives it.
Read = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Readout:
    """Which lines of a tile are read at a transfer, and through what.

    Attributes:
      reads: lines read at each transfer; below 1 a share of them; None for all of them.
      axis: 0 for input lines, 1 for output lines.
      random: whether to start at a random line each time, or where the last transfer has ended.
      through: the product that a read is, or None for a perfect one.
    """

    reads: float | None = 1
    axis: int = 0
    random: bool = False
    through: Read | None = None

    def count(self, tile: Tile) -> int:
        """The number of lines a transfer reads of this tile."""
        size = tile.shape[self.axis]
        if self.reads is None:
            return size
        return min(int(self.reads), size) if self.reads >= 1 else max(1, round(self.reads * size))

    def first(self, key: jax.Array, tile: Tile, transfer) -> jax.Array:
        """The first line of transfer number 0, 1, ..."""
        size = tile.shape[self.axis]
        if self.random:
            return jax.random.randint(jax.random.fold_in(key, _ORDER), (), 0, size)
        return transfer % self._round(tile) * self.count(tile) % size

    def sweeps(self, tile: Tile, transfer) -> jax.Array:
        """How many times all lines had been read before each line of a transfer, ``(lines, 1)``."""
        count, size = self.count(tile), tile.shape[self.axis]
        rounds, turn = transfer // self._round(tile), transfer % self._round(tile)
        lines = turn * count + jnp.arange(count)
        return (rounds * (self._round(tile) * count // size) + lines // size)[:, None]

    def _round(self, tile: Tile) -> int:
        """Transfers after which the same lines come again.

        The lines of fewer transfers can be counted in int32; those of all transfers pass 2^31.
        """
        size = tile.shape[self.axis]
        return size // math.gcd(size, self.count(tile))

    def take(self, tile: Tile, tree, first):
        """The lines that a transfer reads or writes, of matrices of the shape of a tile."""
        return take_lines(tree, first, self.count(tile), self.axis)

    def put(self, matrix: jax.Array, first, values: jax.Array) -> jax.Array:
        """The matrix with the lines of a transfer replaced."""
        return put_lines(matrix, first, values, self.axis)

    def seen(self, tile: Tile, first) -> jax.Array:
        """What a read looks at: its lines, or the whole array where it is a product with it."""
        return read(self.take(tile, tile, first) if self.through is None else tile)

    def read(self, key: jax.Array, tile: Tile, w: jax.Array, first) -> jax.Array:
        """What a transfer reads of what :meth:`seen` gives of a tile.

        Its shape is ``(lines, out)``, or ``(lines, in)`` of output lines.
        """
        if self.through is None:
            return w
        size = tile.shape[self.axis]
        one_hot = jax.nn.one_hot((first + jnp.arange(self.count(tile))) % size, size)
        key_read = jax.random.fold_in(key, _READ)
        return self.through(key_read, one_hot, w.T if self.axis else w)


def readout(reads: float | None, lines: Lines, order: Order, through: Read | None) -> Readout:
    """The readout of these settings of a rule; raises a ValueError if one is not valid."""
    name = "reads_per_transfer (or a share of the lines in (0, 1))"
    check_choice("transfer_lines", lines, get_args(Lines))
    check_choice("transfer_order", order, get_args(Order))
    if through is not None and not callable(through):
        raise TypeError(
            f"transfer_read must be a function (key, x, w) -> x @ w, got {through!r}; of an "
            f"AnalogIO it is functools.partial(mvm, io=...)."
        )
    return Readout(
        reads=reads if reads is None or _is_share(reads) else check_count(name, reads),
        axis=get_args(Lines).index(lines),
        random=order == "random",
        through=through,
    )


def _is_share(reads) -> bool:
    return isinstance(reads, float | np.floating) and 0 < float(reads) < 1
