"""What the resistance of the wires takes from the outputs."""

import jax
import jax.numpy as jnp


def ir_drop(x: jax.Array, w: jax.Array, g_ratio) -> jax.Array:
    r"""The loss of each output, of a line whose first input is nearest to where it is read.

    .. math::
      a_i = \frac{n}{g_{ratio}} \sum_j |w_{ji}| |x_j|, \qquad
      c_i = a_i (a_i (0.05\, a_i - 0.2) + 0.5), \qquad
      \Delta z_i = c_i \sum_j w_{ji} x_j \left(1 - (1 - j/n)^2\right)

    with j = 0, ..., n - 1: a fit to the voltages of the steady state.

    Args:
      x: inputs at the array, ``(..., in)``, normalised.
      w: weights, ``(in, out)``, normalised.
      g_ratio: conductance of the wire between two crosspoints, in units of the largest conductance
        of a device.

    Returns:
      What ``x @ w`` loses, ``(..., out)``.
    """
    n = x.shape[-1]
    a = n / g_ratio * (jnp.abs(x) @ jnp.abs(w))
    c = a * (a * (0.05 * a - 0.2) + 0.5)
    distance = 1 - (1 - jnp.arange(n, dtype=x.dtype) / n) ** 2
    return c * ((x * jnp.broadcast_to(distance, x.shape)) @ w)
