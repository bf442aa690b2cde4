"""What happens to an array between its pulses: decay, diffusion and reset."""

from typing import NamedTuple

import jax


class Ageing(NamedTuple):
    """How every crosspoint of an array ages, drawn once; arrays of its shape or scalars.

    Attributes:
      kept: share of the distance to the reset weight that is kept over one mini-batch,
        :math:`1 - 1/t` with t the crosspoint's lifetime.
      diffusion: standard deviation of the random step of one mini-batch, in units of the weight.
      target: the reset weight, in units of the weight.
    """

    kept: jax.Array
    diffusion: jax.Array
    target: jax.Array
