"""Outputs that bend towards their bound."""

import jax
import jax.numpy as jnp


def bend(z: jax.Array, nonlinearity, r_series, calibration, out_bound) -> jax.Array:
    r"""An S-shaped response, with a gain that gives it its slope back at some point.

    .. math::
      z \leftarrow \frac{f^2 z}{1 + |\nu_i z|}, \qquad \nu_i = nonlinearity_i / out\_bound, \qquad
      f = 1 + (\bar\nu + r)\, calibration\; out\_bound

    Args:
      z: outputs, ``(..., out)``.
      nonlinearity: of each output, ``(out,)`` or one number: 1 halves an output at the bound.
      r_series: resistance r in series, as a fraction of the total output current.
      calibration: where the slope is 1 again, as a fraction of the bound; 0 for no calibration.
      out_bound: bound of the outputs; taken as 1 if it is infinite.
    """
    bound = jnp.where(jnp.isfinite(out_bound), out_bound, 1.0)
    nu = jnp.abs(nonlinearity / bound)
    gain = 1 + (jnp.mean(nu) + r_series) * calibration * bound
    return gain**2 * z / (1 + nu * jnp.abs(z))
