"""The interface of a pulse scheme."""

import abc

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import AnyCells, Device
from analogjax.pulses._increment import send_increment
from analogjax.pulses._lines import outer_sum
from analogjax.pulses._sent import Sent
from analogjax.pulses._single import in_single


class PulseScheme(abc.ABC):
    """Anything that moves an array of crosspoints by a wanted change, in pulses.

    A scheme writes :meth:`send_pulses`, and :meth:`send_increment_pulses` if it has a way of its
    own. Devices that do not move in pulses never get there: they take the change as it is.
    """

    def check_fields(self) -> None:  # noqa: B027  (not every scheme has fields)
        """Raises a ValueError if a field is out of its range; extended by some schemes."""

    @in_single
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
        self.check_fields()
        w, x, d = _as_real(w), _as_real(x), _as_real(d)
        shape = jax.tree.leaves(w)[0].shape
        _check_shapes(shape, x.shape, d.shape)
        if not device.pulsed:
            return _add(device, cells, w, -learning_rate * outer_sum(x, d, shape[1]))
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
          The new weights, ``(in, out)``, float32.

        Raises:
          ValueError: if a field of the scheme is out of its range, or the shapes do not fit.
        """
        return self.send(key, device, cells, w, x, d, learning_rate).w

    @in_single
    def send_increment(
        self, key: jax.Array, device: Device, cells: AnyCells, w: jax.Array, increment: jax.Array
    ) -> Sent:
        """Moves ``w`` by ``increment`` on average, its factors unknown.

        What is left when a gradient is all that is known: up and down pulses have cancelled before
        they were sent, so the asymmetry is paid once instead of once a sample.
        """
        self.check_fields()
        w, increment = _as_real(w), _as_real(increment)
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


def check_length(name: str, desired_bl) -> None:
    """Raises a ValueError if the longest pulse train is no whole number of slots, at least 1."""
    whole = isinstance(desired_bl, int | np.integer) and not isinstance(desired_bl, bool)
    if not whole or desired_bl < 1:
        raise ValueError(
            f"{name}.desired_bl, the longest pulse train, must be a Python int of at least 1, got "
            f"{desired_bl!r}."
        )


def _as_real(part):
    """An array in float32; several conductances a crosspoint stay what their device made them."""
    return part if isinstance(part, tuple) else jnp.asarray(part, jnp.float32)


def _check_shapes(w: tuple[int, ...], x: tuple[int, ...], d: tuple[int, ...]) -> None:
    """Raises a ValueError if vectors do not fit an array, or one group of its columns each."""
    matrices = len(w) == len(x) == len(d) == 2
    if matrices and x == (d[0], w[0]) and d[1] and w[1] % d[1] == 0 == d[0] % (w[1] // d[1]):
        return
    raise ValueError(
        f"Vectors of shapes x {x} and d {d} do not fit weights of shape {w}: give w as (in, out), "
        f"x as (batch, in) and d as (batch, out), or (batch, out / G) for G groups of columns with "
        f"a batch of a multiple of G."
    )


def _add(device: Device, cells: AnyCells, w: jax.Array, change: jax.Array) -> Sent:
    none = jnp.zeros(change.shape, jnp.int32)
    return Sent.summed(device.add(cells, w, change), none, none)
