"""What a rule is told about one weight matrix in one step."""

from typing import NamedTuple

import jax

from analogjax.devices import Device
from analogjax.pulses import Factors, PulseScheme, Sent
from analogjax.tiles import Tile


class Signal(NamedTuple):
    """The gradient of one weight matrix, with its factors where they are known.

    Attributes:
      gradient: summed gradient of the mini-batch, ``(in, out)``.
      factors: the vectors whose outer products sum to it, ``(batch, in)`` and ``(batch, out)``,
        or None. For G groups of columns they are ``(batch * G, in)`` and ``(batch * G, out / G)``.
    """

    gradient: jax.Array
    factors: Factors | None

    def times(self, signs: jax.Array | None) -> "Signal":
        """The signal of a matrix whose lines have signs: ``(in, 1)``, ``(1, out)`` or None."""
        if signs is None:
            return self
        factors = self.factors
        if factors is not None:
            x, d = factors
            if signs.shape[1] == 1:
                x = x * signs[:, 0]
            else:
                groups = signs.size // d.shape[1]
                d = (d.reshape(-1, groups, d.shape[1]) * signs.reshape(groups, -1)).reshape(d.shape)
            factors = Factors(x, d)
        return Signal(self.gradient * signs, factors)

    def send(
        self,
        pulses: PulseScheme,
        key: jax.Array,
        device: Device,
        tile: Tile,
        learning_rate,
    ) -> Sent:
        """Moves the tile down the gradient, sample by sample if the factors are known."""
        if self.factors is None:
            return pulses.send_increment(
                key, device, tile.cells, tile.w, -learning_rate * self.gradient
            )
        return pulses.send(key, device, tile.cells, tile.w, *self.factors, learning_rate)
