"""What happens to an array between its pulses: decay, diffusion and reset."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Ageing(NamedTuple):
    """How every crosspoint of an array ages, drawn once; arrays of its shape or scalars.

    Attributes:
      rate: share of the distance to the reset weight that is lost over one mini-batch,
        :math:`1/t` with t the crosspoint's lifetime.
      diffusion: standard deviation of the random step of one mini-batch, in units of the weight.
      target: the reset weight, in units of the weight.
    """

    rate: jax.Array
    diffusion: jax.Array
    target: jax.Array


def add_small(key: jax.Array, w: jax.Array, change: jax.Array) -> jax.Array:
    """``w + change``, rounded up or down at random without bias.

    The decay of a long lifetime is less than the spacing of float32 at the weight, and would be
    rounded to none of it, or to twice as much, in every mini-batch anew. One number for the whole
    array does, since it is another one in each of them.
    """
    total = w + change
    left_out = change - (total - w)
    beyond = jnp.nextafter(total, jnp.where(left_out > 0, jnp.inf, -jnp.inf))
    further = jnp.abs(left_out) > jax.random.uniform(key) * jnp.abs(beyond - total)
    return jnp.where(further, beyond, total)
