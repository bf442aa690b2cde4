"""The interface of a pulse scheme."""

from typing import Protocol

import jax

from analogjax.devices import Cells, PulsedDevice
from analogjax.pulses._sent import Sent


class PulseScheme(Protocol):
    """Anything that moves an array of crosspoints by a wanted change, in pulses.

    See :class:`~analogjax.pulses.BatchedPulses` for the meaning of the arguments.
    """

    def send(
        self,
        key: jax.Array,
        device: PulsedDevice,
        cells: Cells,
        w: jax.Array,
        x: jax.Array,
        d: jax.Array,
        learning_rate,
    ) -> Sent:
        """Moves ``w`` by ``-learning_rate * x outer d`` on average, sample by sample."""

    def apply(
        self,
        key: jax.Array,
        device: PulsedDevice,
        cells: Cells,
        w: jax.Array,
        x: jax.Array,
        d: jax.Array,
        learning_rate,
    ) -> jax.Array:
        """The weights of :meth:`send` alone."""

    def send_increment(
        self, key: jax.Array, device: PulsedDevice, cells: Cells, w: jax.Array, increment: jax.Array
    ) -> Sent:
        """Moves ``w`` by ``increment`` on average, its factors unknown."""
