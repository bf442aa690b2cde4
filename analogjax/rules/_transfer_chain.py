"""Tiles in a chain: the last learns from the gradient, each is passed on to the one before it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from analogjax.devices import Device, is_zero
from analogjax.pulses import ExpectedPulses, PulseScheme, change_if
from analogjax.rules._rates import value_at
from analogjax.rules._readout import Readout
from analogjax.rules._send_gradient import send_gradient
from analogjax.rules._signal import Signal
from analogjax.rules._write_lines import write_lines
from analogjax.tiles import (
    TileStack,
    age,
    count_reads,
    effective_weight,
    of_one_device,
    pick,
    program_stack,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferChain:
    r"""The rule of one weight matrix held as :math:`W = \sum_n s_n W_n` on a chain of tiles.

    Every step the last tile takes the gradient. Every ``periods[n]`` steps some lines of tile
    n + 1 are read and written to tile n: :math:`W_n \leftarrow W_n + \beta_n W_{n+1}` in pulses.
    During a warm start the tile of the current stage is written from a hub, the last tile or one
    before it, at the rate of the transfers from there, while tiles finer than the hub go on as in
    the chain; or, without a hub, from the chain of all finer tiles.

    Attributes:
      devices: device of each tile, the most significant first.
      scales: significance :math:`s_n` of each tile.
      periods: steps between two transfers into tile n, for all tiles but the last.
      rates: rate :math:`\beta_n` of the transfers into tile n, likewise; numbers or schedules.
      scale_rates: whether they are in units of the learning rate.
      readout: which lines a transfer reads, and through what.
      chain: whether the transfers of the chain follow a warm start.
      hub: number of the tile from which a warm start writes, or None for the chain.
      warm_period: steps between two transfers of a warm start from the hub.
      pulses: scheme that sends the gradient.
      transfer_pulses: scheme that writes the transfers.
      threshold: reads of a smaller magnitude are not passed on.
    """

    devices: tuple[Device, ...]
    scales: jax.Array
    periods: tuple[int, ...]
    rates: tuple[Any, ...]
    scale_rates: bool
    readout: Readout
    pulses: PulseScheme
    transfer_pulses: PulseScheme
    chain: bool = True
    hub: int | None = None
    warm_period: int = 1
    threshold: Any = 0.0

    def init(self, key: jax.Array, w: jax.Array) -> TileStack:
        """The stack with ``w`` on its most significant tile."""
        return program_stack(key, self.devices, w, self.scales)

    def effective(self, stack: TileStack) -> jax.Array:
        """The scaled sum of the tiles."""
        return effective_weight(stack)

    @property
    def num_keys(self) -> int:
        """One key for each tile."""
        return len(self.devices)

    @property
    def _is_smooth(self) -> bool:
        """Whether a training follows the papers' recursion, and thus has derivatives."""
        return all(isinstance(s, ExpectedPulses) for s in (self.pulses, self.transfer_pulses))

    def step(
        self, keys, stack: TileStack, signal: Signal, learning_rate, count, stage
    ) -> TileStack:
        """The gradient to the last tile, then the transfers that are due, fine to coarse."""
        last = len(self.devices) - 1
        stack = send_gradient(
            keys[last], self.pulses, self.devices[last], stack, last, signal, learning_rate
        )
        if last:
            scale = learning_rate if self.scale_rates else 1.0
            rates = [scale * value_at(rate, count) for rate in self.rates]
            periods = {*self.periods} if stage is None else {*self.periods, self.warm_period}
            due = jnp.stack([(count + 1) % period == 0 for period in sorted(periods)])
            stack = change_if(
                due.any(),
                lambda stack: self._transfers(keys, stack, rates, count + 1, stage),
                stack,
                reversible=self._is_smooth,
            )
        return age(keys, self.devices, stack)

    def _transfers(self, keys, stack: TileStack, rates, step, stage) -> TileStack:
        """All transfers that are due, fine to coarse.

        Those into tiles that follow each other and have one device are turns of a loop, since a
        program for each of them takes long to compile.
        """
        for among in reversed(of_one_device(self.devices[:-1])):

            def one(turn, stack, among=among):
                n = among[-1] - turn
                return self._transfer(keys[n], stack, n, among, rates, step, stage)

            stack = lax.fori_loop(0, len(among), one, stack)
        return stack

    def _transfer(self, key, stack: TileStack, n, among: range, rates, step, stage) -> TileStack:
        """Writes some lines of the next tile to tile ``n``, or what the warm start says."""
        hub = len(self.devices) - 1 if self.hub is None else self.hub
        source, period, rate = n + 1, jnp.array(self.periods)[n], jnp.stack(rates)[n]
        due = step % period == 0
        if stage is not None:
            stage = stage if self.chain else jnp.minimum(stage, hub - 1)
            warm = (stage < hub) & (n < hub)
            if self.hub is None:
                due &= (n >= stage) | ~warm
            else:
                due = jnp.where(warm, (stage == n) & (step % self.warm_period == 0), due)
                period = jnp.where(warm, self.warm_period, period)
                rate = jnp.where(warm, rates[hub - 1], rate)
                source = jnp.where(warm, hub, source)

        def transfer(stack):
            tile = stack.tiles[0]  # Of the shape of all.
            first = self.readout.first(key, tile, step // period - 1)
            seen = pick(source - 1, [self.readout.seen(one, first) for one in stack.tiles[1:]])
            change = self.readout.read(key, tile, seen, first)
            if not is_zero(self.threshold):
                change = jnp.where(jnp.abs(change) < self.threshold, 0.0, change)
            stack = count_reads(stack, source, self.readout.count(tile))
            return write_lines(
                key,
                self.transfer_pulses,
                self.devices[among.start],
                stack,
                n,
                self.readout,
                first,
                change,
                rate,
                among,
            )

        return change_if(due, transfer, stack, reversible=self._is_smooth)
