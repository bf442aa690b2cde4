"""What a model of inference noise has to say about one weight matrix."""

from typing import Any, Protocol

import jax


class NoiseModel(Protocol):
    """How an array holds what it was programmed to.

    Any object with these two methods can be given to the functions of this package. Make it a
    frozen dataclass that is a pytree, so that trainings and sweeps can vmap over its numbers.
    """

    def program(self, key: jax.Array, w: jax.Array, w_max=None) -> Any:
        """A pytree that says all about an array programmed to ``w``, of any shape.

        Args:
          key: a PRNG key, for what is drawn once: programming errors, drift exponents.
          w: the weights wanted.
          w_max: the weight at the largest conductance; the largest ``|w|`` by default.
        """

    def read(self, key: jax.Array, array: Any, t) -> jax.Array:
        """The weights ``t`` seconds after the end of programming, of the shape programmed.

        Args:
          key: a PRNG key, for what is drawn at each read.
          array: from :meth:`program`.
          t: seconds, at least 0.
        """
