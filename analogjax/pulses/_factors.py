"""The two factors of a gradient, which the lines of an array carry."""

from typing import NamedTuple

import jax


class Factors(NamedTuple):
    """What the lines of an array carry in one mini-batch; their outer products sum to the gradient.

    Attributes:
      x: layer inputs, ``(..., in)``; for a convolution each patch position is a vector of its own.
      d: gradient of the loss at the layer outputs, ``(..., out)``, same leading shape.
    """

    x: jax.Array
    d: jax.Array

    def flat(self) -> "Factors":
        """The same vectors as two matrices, ``(batch, in)`` and ``(batch, out)``."""
        return Factors(self.x.reshape(-1, self.x.shape[-1]), self.d.reshape(-1, self.d.shape[-1]))
