"""Noise of the conductances at a read, as the outputs see it."""

import jax
import jax.numpy as jnp


def weight_noise_std(x: jax.Array, w: jax.Array, kind: str) -> jax.Array:
    r"""The standard deviation of each output, in units of ``w_noise``.

    .. math::
      \sigma_i = \|x\|_2 \;\; (additive\_constant), \qquad
      \sigma_i = \Big(\sum_j |w_{ji}| x_j^2\Big)^{1/2} \;\; (pcm\_read)

    The first is noise of the same size in every weight, the second of a size that grows with the
    square root of the conductance.

    Args:
      x: inputs at the array, ``(..., in)``.
      w: weights, ``(in, out)``.
      kind: ``"additive_constant"`` or ``"pcm_read"``.

    Returns:
      ``(..., 1)``, or ``(..., out)`` for ``"pcm_read"``.
    """
    squares = jnp.square(x)
    if kind == "additive_constant":
        return jnp.sqrt(squares.sum(-1, keepdims=True))
    return jnp.sqrt(squares @ jnp.abs(w))
