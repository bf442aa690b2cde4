"""The number that inputs are divided by to fill the range of their converter."""

import jax
import jax.numpy as jnp

from analogjax.devices import is_zero
from analogjax.periphery._analog_io import AnalogIO
from analogjax.periphery._rounding import step_size

ASSUMED_W_MAX = 0.6  # Weight that the worst case counts on, as other simulators do.


def noise_scale(x: jax.Array, io: AnalogIO) -> jax.Array:
    r"""The scale of each vector, ``(..., 1)``.

    .. math::
      a = 1, \quad \max_j |x_j|, \quad \max_j x_j, \quad nm\_thres

    by ``noise_management``; see :func:`worst_case_scale` for ``"abs_max_np_sum"``. The second and
    the third are at most ``nm_thres``, if that is positive; the last is 1 without it.
    """
    match io.noise_management:
        case "none":
            return jnp.ones((*x.shape[:-1], 1), x.dtype)
        case "constant":
            scale = jnp.where(jnp.asarray(io.nm_thres) > 0, io.nm_thres, 1.0)
            return jnp.full((*x.shape[:-1], 1), scale, x.dtype)
        case "abs_max":
            return _capped(jnp.max(jnp.abs(x), axis=-1, keepdims=True), io)
        case "max":
            return _capped(jnp.max(x, axis=-1, keepdims=True), io)
        case _:
            return worst_case_scale(x, io)


def worst_case_scale(x: jax.Array, io: AnalogIO) -> jax.Array:
    r"""The scale at which no output could clip if all weights were at most 0.6.

    .. math::
      a = \max(m, S), \qquad
      S = \min\Big(\frac{0.6}{out\_bound} \max\Big(\sum_{x_j>0} x_j, -\sum_{x_j<0} x_j\Big),
      \; m\, \frac{max\_bm\_res}{b}\Big), \qquad m = \max_j |x_j|

    with b the step of the input converter: the scale leaves it a resolution of ``max_bm_res``.
    """
    largest = _capped(jnp.max(jnp.abs(x), axis=-1, keepdims=True), io)
    positive = jnp.maximum(x, 0).sum(-1, keepdims=True)
    negative = -jnp.minimum(x, 0).sum(-1, keepdims=True)
    bound = jnp.min(jnp.where(jnp.isfinite(io.out_bound), io.out_bound, 1.0))  # Of all lines.
    scale = jnp.maximum(positive, negative) * ASSUMED_W_MAX / bound
    # Without a resolution the limit is infinite, but not a vector of zeros times it.
    limit = io.max_bm_res / step_size(io.inp_bound, io.inp_res)
    return jnp.maximum(largest, jnp.minimum(jnp.where(largest > 0, largest * limit, 0), scale))


def _capped(scale: jax.Array, io: AnalogIO) -> jax.Array:
    if is_zero(io.nm_thres):
        return scale
    return jnp.where(io.nm_thres > 0, jnp.minimum(scale, io.nm_thres), scale)
