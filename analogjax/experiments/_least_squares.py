"""The least-squares problem on which the theory of analog training is shown."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class LeastSquares(NamedTuple):
    r"""Weights :math:`w^*` to be found by :math:`\min_w \|A(w - w^*)\|^2 / (2 n D)`.

    Its gradients are pairs (x, d) for :func:`train_matrix`; as usual they leave out the D.

    Attributes:
      inputs: A, ``(n, D)``.
      target: the weights sought, ``(D, 1)``.

    Example:
      >>> import jax
      >>> from analogjax.experiments import LeastSquares
      >>> problem = LeastSquares.draw(jax.random.key(0), 100, 40, 0.5, 0.3)
      >>> float(problem.loss(problem.target))
      0.0

    Reference: Wu, Gokmen, Rasch, Chen, NeurIPS 2024 (arXiv:2406.12774), section 5.
    """

    inputs: jax.Array
    target: jax.Array

    @classmethod
    def draw(
        cls, key: jax.Array, rows: int, size: int, input_scale: float, target_scale: float
    ) -> "LeastSquares":
        """A problem with normal inputs and weights of the given standard deviations."""
        key_inputs, key_target = jax.random.split(key)
        return cls(
            input_scale * jax.random.normal(key_inputs, (rows, size)),
            target_scale * jax.random.normal(key_target, (size, 1)),
        )

    def loss(self, w: jax.Array) -> jax.Array:
        """The loss at weights ``(..., D, 1)``."""
        error = self.inputs @ (w - self.target)
        return 0.5 * jnp.mean(error**2, axis=(-2, -1)) / self.inputs.shape[1]

    def with_noise(self, spread):
        """The exact gradient plus normal noise of a standard deviation.

        One input line for each weight, so that its whole gradient is one vector pair.
        """

        def gradient(w, key):
            exact = self.inputs.T @ (self.inputs @ (w - self.target)) / len(self.inputs)
            return jnp.eye(len(w)), exact + spread * jax.random.normal(key, w.shape)

        return gradient

    def with_noisy_reads(self, spread):
        """All rows as one mini-batch, whose products see weights with normal noise."""
        lengths = jnp.linalg.norm(self.inputs, axis=1, keepdims=True)

        def gradient(w, key):
            noise = spread * lengths * jax.random.normal(key, lengths.shape)
            return self.inputs, (self.inputs @ (w - self.target) + noise) / len(self.inputs)

        return gradient
