"""What every pulse scheme hands back."""

from typing import NamedTuple

import jax


class Sent(NamedTuple):
    """The outcome of one update of an array.

    Attributes:
      w: weights after it, ``(in, out)``.
      up: number of up pulses each crosspoint received (its mean for a mean-field scheme).
      down: number of down pulses, likewise.
    """

    w: jax.Array
    up: jax.Array
    down: jax.Array
