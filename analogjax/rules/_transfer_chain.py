"""Tiles in a chain: the last learns from the gradient, each is passed on to the one before it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from analogjax.devices import Device
from analogjax.pulses import PulseScheme, Sent
from analogjax.rules._signal import Signal
from analogjax.tiles import (
    Tile,
    TileStack,
    effective_weight,
    program_stack,
    replace_rows,
    replace_tile,
    take_rows,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferChain:
    r"""The rule of one weight matrix held as :math:`W = \sum_n s_n W_n` on a chain of tiles.

    Every step the last tile takes the gradient. Every ``periods[n]`` steps some rows (input lines)
    of tile n + 1 are read, one after another in cyclic order, and written to tile n:
    :math:`W_n \leftarrow W_n + \beta_n W_{n+1}` in pulses. During a warm start only the tile of
    the current stage is written, always from the last tile, at that tile's period and rate.

    Attributes:
      devices: device of each tile, the most significant first.
      scales: significance :math:`s_n` of each tile.
      periods: steps between two transfers into tile n, for all tiles but the last.
      rates: rate :math:`\beta_n` of the transfers into tile n, likewise.
      reads: rows read at each transfer.
      chain: whether the transfers of the chain follow a warm start.
      pulses: scheme that sends the gradient.
      transfer_pulses: scheme that writes the transfers.
    """

    devices: tuple[Device, ...]
    scales: jax.Array
    periods: tuple[int, ...]
    rates: tuple[Any, ...]
    reads: int
    pulses: PulseScheme
    transfer_pulses: PulseScheme
    chain: bool = True

    def init(self, key: jax.Array, w: jax.Array) -> TileStack:
        """The stack with ``w`` on its most significant tile."""
        return program_stack(key, self.devices, w, self.scales)

    def effective(self, stack: TileStack) -> jax.Array:
        """The scaled sum of the tiles."""
        return effective_weight(stack, self.scales)

    def step(self, key, stack: TileStack, signal: Signal, learning_rate, count, stage) -> TileStack:
        """The gradient to the last tile, then the transfers that are due, fine to coarse."""
        last = len(self.devices) - 1
        sent = signal.send(
            self.pulses,
            jax.random.fold_in(key, last),
            self.devices[last],
            stack.tiles[last],
            learning_rate,
        )
        stack = replace_tile(stack, last, sent)
        for n in reversed(range(last)):
            stack = self._transfer(key, stack, n, count + 1, stage)
        return stack

    def _transfer(self, key, stack: TileStack, n: int, step, stage) -> TileStack:
        """Writes some rows of the next tile (in a warm start: of the last one) to tile ``n``."""
        last = len(self.devices) - 1
        in_size = stack.tiles[n].w.shape[0]
        reads = min(self.reads, in_size)
        period: Any = self.periods[n]
        rate: Any = self.rates[n]
        warm: Any = False
        due = active = step % period == 0
        if stage is not None:
            stage = stage if self.chain else jnp.minimum(stage, last - 1)
            warm = stage < last
            warm_due = step % self.periods[-1] == 0
            active = jnp.where(warm, (stage == n) & warm_due, due)
            due |= warm_due
            period = jnp.where(warm, self.periods[-1], period)
            rate = jnp.where(warm, self.rates[-1], rate)
        first = (step // period - 1) * reads % in_size

        def write(stack):
            source = take_rows(stack.tiles[n + 1].w, first, reads)
            if stage is not None and n + 1 < last:
                gathered = take_rows(stack.tiles[last].w, first, reads)
                source = jnp.where(warm, gathered, source)
            increment = jnp.where(active, rate * source, 0.0)
            return _write_rows(
                jax.random.fold_in(key, n),
                self.transfer_pulses,
                self.devices[n],
                take_rows(stack.tiles[n], first, reads),
                increment,
            )

        def skip(stack):
            none = jnp.zeros((reads, stack.tiles[n].w.shape[1]))
            return Sent(take_rows(stack.tiles[n].w, first, reads), none, none)

        sent = jax.lax.cond(due, write, skip, stack)
        return replace_rows(stack, n, first, sent, self.scales)


def _write_rows(key, pulses: PulseScheme, device, tile: Tile, increment: jax.Array) -> Sent:
    """Sends each row its own pulse trains: one input line on, the increments on the outputs."""
    keys = jax.random.split(key, increment.shape[0])
    cell_axes = jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) == 2 else None, tile.cells)

    def one_row(key, cells, w, change):
        cells = jax.tree.map(lambda leaf: leaf[None] if jnp.ndim(leaf) == 1 else leaf, cells)
        on = jnp.ones((1, 1))
        sent = pulses.send(key, device, cells, w[None], on, -change[None], 1.0)
        return Sent(*(part[0].astype(jnp.float32) for part in sent))

    return jax.vmap(one_row, in_axes=(0, cell_axes, 0, 0))(keys, tile.cells, tile.w, increment)
