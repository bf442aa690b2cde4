"""Tiles in a chain: the last learns from the gradient, each is passed on to the one before it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from analogjax.devices import Device
from analogjax.pulses import PulseScheme, Sent, change_if
from analogjax.rules._signal import Signal
from analogjax.tiles import (
    Tile,
    TileStack,
    age,
    count_pulses,
    effective_weight,
    program_stack,
    read,
    replace_rows,
    replace_tile,
    take_rows,
    written,
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

    @property
    def num_keys(self) -> int:
        """One key for each tile."""
        return len(self.devices)

    def step(
        self, keys, stack: TileStack, signal: Signal, learning_rate, count, stage
    ) -> TileStack:
        """The gradient to the last tile, then the transfers that are due, fine to coarse."""
        last = len(self.devices) - 1
        device, tile = self.devices[last], stack.tiles[last]
        sent = signal.send(self.pulses, keys[last], device, tile, learning_rate)
        stack = replace_tile(stack, last, written(keys[last], device, tile, sent))
        stack = count_pulses(stack, last, sent)
        if last:
            due = jnp.stack([(count + 1) % period == 0 for period in self.periods])
            stack = change_if(
                due.any(), lambda stack: self._transfers(keys, stack, count + 1, stage), stack
            )
        return age(keys, self.devices, stack, self.scales)

    def _transfers(self, keys, stack: TileStack, step, stage) -> TileStack:
        """All transfers that are due, fine to coarse."""
        for n in reversed(range(len(self.devices) - 1)):
            stack = self._transfer(keys[n], stack, n, step, stage)
        return stack

    def _transfer(self, key, stack: TileStack, n: int, step, stage) -> TileStack:
        """Writes some rows of the next tile (in a warm start: of the last one) to tile ``n``."""
        last = len(self.devices) - 1
        in_size = stack.tiles[n].shape[0]
        reads = min(self.reads, in_size)
        period: Any = self.periods[n]
        rate: Any = self.rates[n]
        warm: Any = False
        active = step % period == 0
        if stage is not None:
            stage = stage if self.chain else jnp.minimum(stage, last - 1)
            warm = stage < last
            warm_active = (stage == n) & (step % self.periods[-1] == 0)
            active = jnp.where(warm, warm_active, active)
            period = jnp.where(warm, self.periods[-1], period)
            rate = jnp.where(warm, self.rates[-1], rate)
        first = (step // period - 1) * reads % in_size

        def write(stack):
            source = read(take_rows(stack.tiles[n + 1], first, reads))
            if stage is not None and n + 1 < last:
                source = jnp.where(warm, read(take_rows(stack.tiles[last], first, reads)), source)
            rows = take_rows(stack.tiles[n], first, reads)
            sent = _write_rows(key, self.transfer_pulses, self.devices[n], rows, rate * source)
            rows = written(key, self.devices[n], rows, sent)
            return count_pulses(replace_rows(stack, n, first, rows, self.scales), n, sent)

        return change_if(active, write, stack)


def _write_rows(key, pulses: PulseScheme, device, tile: Tile, increment: jax.Array) -> Sent:
    """Sends each row its own pulse trains: one input line on, the increments on the outputs."""

    def one_row(key, cells, w, change):
        return pulses.send(key, device, cells, w, jnp.ones((1, 1)), -change, 1.0)

    if increment.shape[0] == 1:  # The usual case, which compiles faster by itself.
        return one_row(key, tile.cells, tile.w, increment)
    # Each row becomes an array of one row.
    cells, w, change = jax.tree.map(
        lambda leaf: leaf[:, None] if jnp.ndim(leaf) == 2 else leaf,
        (tile.cells, tile.w, increment),
    )
    axes = jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) == 3 else None, cells)
    keys = jax.random.split(key, increment.shape[0])
    sent = jax.vmap(one_row, in_axes=(0, axes, 0, 0))(keys, cells, w, change)
    w, up, down = jax.tree.map(lambda leaf: leaf[:, 0], (sent.w, sent.up, sent.down))
    return Sent(w, up, down, jnp.sum(sent.total, axis=0))
