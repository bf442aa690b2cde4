"""Offsets of the read voltages and the resistance in series with each output."""

import jax
import jax.numpy as jnp


def voltage_offset(z: jax.Array, x: jax.Array, offset, w_min, r_series) -> jax.Array:
    r"""The difference of two currents, each with its own voltage and its own loss.

    .. math::
      z \leftarrow \frac{(1 - v) (z + z_r)}{1 + r |z + z_r|} - \frac{(1 + v) z_r}{1 + r |z_r|},
      \qquad z_r = -w_{min} \sum_j x_j

    where :math:`z_r` is the current of the reference conductances.

    Args:
      z: outputs, ``(..., out)``.
      x: inputs at the array, ``(..., in)``.
      offset: relative voltage offset v of each output, ``(out,)`` or one number.
      w_min: weight that a device at its lowest conductance has; 0 for no reference conductance.
      r_series: resistance r in series, as a fraction of the total output current.
    """
    reference = -w_min * x.sum(-1, keepdims=True)

    def current(z):
        return z / (1 + r_series * jnp.abs(z))

    return (1 - offset) * current(z + reference) - (1 + offset) * current(reference)
