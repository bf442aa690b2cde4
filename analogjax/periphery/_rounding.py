"""What a converter does to a number: it rounds to a grid and stops at a bound."""

import jax
import jax.numpy as jnp

from analogjax.devices import is_zero
from analogjax.periphery._draws import Use, dither


def step_size(bound, res) -> jax.Array:
    r"""The grid of a converter, :math:`b = 2\,bound\,res`; 0 if it is as fine as can be.

    Args:
      bound: where the range ends, on both sides.
      res: one step as a fraction of the range; above 1 the number of steps; at most 0 for none.
    """
    res = jnp.asarray(res, jnp.float32)
    fraction = jnp.where(res > 1, 1 / res, jnp.maximum(res, 0))
    return 2 * jnp.asarray(bound, jnp.float32) * fraction


def quantise(key: jax.Array, use: Use, v: jax.Array, bound, res, stochastic: bool) -> jax.Array:
    r"""Rounds to the nearest step, half to even.

    .. math:: v \leftarrow b\, \mathrm{rint}(v / b + u), \qquad b = 2\,bound\,res

    where :math:`u` is 0, or uniform between -1/2 and 1/2 if ``stochastic``.
    """
    if is_zero(res):
        return v
    step = step_size(bound, res)
    steps = v / jnp.where(step > 0, step, 1.0)
    if stochastic:
        steps = steps + dither(key, use, v.shape)
    return jnp.where(step > 0, jnp.round(steps) * step, v)
