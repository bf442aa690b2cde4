"""A running total that stays exact for billions of pulses."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Counter(NamedTuple):
    """A float32 sum with the part that rounding has left out (Kahan's summation).

    Attributes:
      total: the sum.
      missing: what ``total`` lacks.

    Example:
      >>> from analogjax.tiles import Counter
      >>> counter = Counter.zeros(()).add(2.0**24).add(1.0)
      >>> float(counter.total), float(counter.exact())
      (16777216.0, 16777217.0)
    """

    total: jax.Array
    missing: jax.Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> "Counter":
        """A counter of the given shape at zero."""
        return cls(jnp.zeros(shape, jnp.float32), jnp.zeros(shape, jnp.float32))

    def add(self, amount: jax.Array) -> "Counter":
        """The counter after ``amount`` more."""
        amount = amount + self.missing
        total = self.total + amount
        return Counter(total, amount - (total - self.total))

    def exact(self) -> np.ndarray:
        """The sum with what float32 leaves out, float64; outside of ``jit``."""
        return np.asarray(self.total, np.float64) + np.asarray(self.missing, np.float64)
