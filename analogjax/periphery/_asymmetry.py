"""Negative numbers that come out smaller than positive ones."""

import jax
import jax.numpy as jnp

from analogjax.devices import is_zero


def asymmetric(v: jax.Array, asymmetry) -> jax.Array:
    r"""Scales what is negative, :math:`v \leftarrow (1 - asymmetry) v` where :math:`v < 0`."""
    return v if is_zero(asymmetry) else jnp.where(v < 0, (1 - asymmetry) * v, v)
