"""What every pulse scheme hands back."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Sent(NamedTuple):
    """The outcome of one update of an array.

    Attributes:
      w: weights after it, ``(in, out)``.
      up: number of up pulses each crosspoint received (its mean for a mean-field scheme).
      down: number of down pulses, likewise.
      total: number of up and of down pulses of all crosspoints together, float32, ``(2,)``; known
        without a pass over the array where pulses are sent one by one.
      cut: number of vector pairs that asked for more pulses than their trains hold, float32; None
        where nothing limits the trains.
      slots: number of slots of the pulse trains of all vector pairs together, float32, which is the
        time that sending takes; None where there are no trains.
    """

    w: jax.Array
    up: jax.Array
    down: jax.Array
    total: jax.Array
    cut: jax.Array | None = None
    slots: jax.Array | None = None

    @classmethod
    def summed(cls, w, up: jax.Array, down: jax.Array) -> "Sent":
        """The outcome with its total taken from the numbers of all crosspoints."""
        return cls(w, up, down, jnp.stack([_sum(up), _sum(down)]))


def _sum(number: jax.Array) -> jax.Array:
    """The sum over all crosspoints, of whole numbers row by row: int32 holds no more than that."""
    if jnp.issubdtype(number.dtype, jnp.integer):
        number = jnp.sum(number, axis=1).astype(jnp.float32)
    return jnp.sum(number)
