"""Counting the pulses of each crosspoint beside sending them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


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

    Sent the same pulses as a device, it counts them. Counting in a run of its own costs nothing
    where nobody asks for the numbers, since the compiler then leaves the run out.
    """

    @property
    def num_normals(self) -> int:
        """As a simple device, though counting has no noise."""
        return 1

    def pulse(self, cells: tuple[()], w: Pulses, direction: jax.Array, xi) -> Pulses:
        """One pulse more where there is one."""
        del cells, xi
        return Pulses(w.up + (direction > 0), w.down + (direction < 0))
