"""Counting the pulses of each crosspoint beside sending them."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.pulses._sent import Sent


class Pulses(NamedTuple):
    """Numbers of pulses that each crosspoint received.

    Attributes:
      up: of up pulses, int32, ``(in, out)``.
      down: of down pulses, likewise.
    """

    up: jax.Array
    down: jax.Array

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> "Pulses":
        """No pulse yet."""
        return cls(jnp.zeros(shape, jnp.int32), jnp.zeros(shape, jnp.int32))


class Tally(NamedTuple):
    """Takes the place of a device whose state is the :class:`Pulses` it received.

    Sent the same pulses as a device, it counts them.
    """

    @property
    def num_normals(self) -> int:
        """As a simple device, though counting has no noise."""
        return 1

    def pulse(self, cells: tuple[()], w: Pulses, direction: jax.Array, xi) -> Pulses:
        """One pulse more where there is one."""
        del cells, xi
        return Pulses(w.up + (direction > 0), w.down + (direction < 0))


def tallied(send: Callable, device, cells, w) -> Sent:
    """The outcome of ``send(device, cells, w) -> (w, total)``, with the pulses of each crosspoint.

    They are counted in a run of their own, which must send the same pulses whatever the device: it
    costs nothing where nobody asks for them, since the compiler then leaves the run out.
    """
    after, total = send(device, cells, w)
    pulses, _ = send(Tally(), (), Pulses.none(jax.tree.leaves(w)[0].shape))
    return Sent(after, pulses.up, pulses.down, total)
