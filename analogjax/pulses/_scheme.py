"""The interface of a pulse scheme."""

import abc

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._increment import send_increment
from analogjax.pulses._lines import outer_sum
from analogjax.pulses._sent import Sent


class PulseScheme(abc.ABC):
    """Anything that moves an array of crosspoints by a wanted change, in pulses.

    A scheme writes :meth:`send_pulses`, and :meth:`send_increment_pulses` if it has a way of its
    own. Devices that do not move in pulses never get there: they take the change as it is.
    """

    def send(
        self,
        key: jax.Array,
        device: Device,
        cells: AnyCells,
        w: jax.Array,
        x: jax.Array,
        d: jax.Array,
        learning_rate,
    ) -> Sent:
        """As :meth:`apply`, with the number of pulses each crosspoint received."""
        if not device.pulsed:
            columns = jax.tree.leaves(w)[0].shape[1]
            return _add(device, cells, w, -learning_rate * outer_sum(x, d, columns))
        return self.send_pulses(key, device, cells, w, x, d, learning_rate)

    def apply(
        self,
        key: jax.Array,
        device: Device,
        cells: AnyCells,
        w: jax.Array,
        x: jax.Array,
        d: jax.Array,
        learning_rate,
    ) -> jax.Array:
        """The weights after the update; on average they move by ``-learning_rate * x outer d``.

        Args:
          key: a PRNG key.
          device: the device.
          cells: its constants, from ``device.sample``.
          w: weights, ``(in, out)``.
          x: input vectors, ``(batch, in)``.
          d: error vectors (the gradient of the loss at the outputs), ``(batch, out)``; or
            ``(batch, out / G)`` where the columns are G groups, each an array of its own, whose
            vectors follow each other in turn.
          learning_rate: weight change per unit of x times d.

        Returns:
          The new weights, ``(in, out)``.
        """
        return self.send(key, device, cells, w, x, d, learning_rate).w

    def send_increment(
        self, key: jax.Array, device: Device, cells: AnyCells, w: jax.Array, increment: jax.Array
    ) -> Sent:
        """Moves ``w`` by ``increment`` on average, its factors unknown.

        What is left when a gradient is all that is known: up and down pulses have cancelled before
        they were sent, so the asymmetry is paid once instead of once a sample.
        """
        if not device.pulsed:
            return _add(device, cells, w, increment)
        return self.send_increment_pulses(key, device, cells, w, increment)

    @abc.abstractmethod
    def send_pulses(
        self,
        key: jax.Array,
        device: Device,
        cells: AnyCells,
        w: jax.Array,
        x: jax.Array,
        d: jax.Array,
        learning_rate,
    ) -> Sent:
        """As :meth:`send`, for a device that moves in pulses."""

    def send_increment_pulses(
        self, key: jax.Array, device: Device, cells: AnyCells, w: jax.Array, increment: jax.Array
    ) -> Sent:
        """As :meth:`send_increment`, for a device that moves in pulses: rounded at random."""
        return send_increment(key, device, cells, w, increment)


def _add(device: Device, cells: AnyCells, w: jax.Array, change: jax.Array) -> Sent:
    none = jnp.zeros(change.shape, jnp.int32)
    return Sent.summed(device.add(cells, w, change), none, none)
