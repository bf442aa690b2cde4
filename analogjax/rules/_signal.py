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
