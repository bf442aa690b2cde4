"""The product of a layer with its weights, and how it gives away the factors of its gradient."""

import jax
import jax.numpy as jnp

from analogjax.pulses import Factors


@jax.custom_vjp
def tapped_product(x: jax.Array, w: jax.Array, tap: Factors) -> jax.Array:
    r"""The product ``x @ w``, whose derivative by ``tap`` is the pair (x, d).

    The gradient of the weights is :math:`\sum_b x_b\delta_b^T`, in which the vectors that an
    array is pulsed with are lost. ``tap`` takes no part in the product; its cotangent is *defined*
    as the factors themselves, so that differentiating a loss by the taps of a model gathers them.

    Args:
      x: inputs, ``(..., in)``.
      w: weights, ``(in, out)``.
      tap: a pair of the shapes of ``x`` and of the product, of any values.

    Returns:
      The product, ``(..., out)``.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import Factors, tapped_product
      >>> x, w = jnp.array([[1.0, 2.0]]), jnp.ones((2, 1))
      >>> tap = Factors(jnp.zeros((1, 2)), jnp.zeros((1, 1)))
      >>> factors = jax.grad(lambda tap: 3 * tapped_product(x, w, tap).sum())(tap)
      >>> factors.x.tolist(), factors.d.tolist()
      ([[1.0, 2.0]], [[3.0]])
    """
    del tap
    return x @ w


def _forward(x, w, tap):
    del tap
    return x @ w, (x, w)


def _backward(saved, d):
    x, w = saved
    # Several users follow, for each of which XLA would compute it anew.
    d = jax.lax.optimization_barrier(d)
    gradient = jnp.einsum("...i,...o->io", x, d)
    return d @ w.T, gradient, Factors(x, d)


tapped_product.defvjp(_forward, _backward)


def product(x: jax.Array, w: jax.Array, tap: Factors | None) -> jax.Array:
    """``x @ w``, tapped if there is a tap."""
    return x @ w if tap is None else tapped_product(x, w, tap)


def empty_tap(x: jax.Array, features: int, dtype) -> Factors:
    """Zeros of the shapes of the factors of a product of ``x`` with ``features`` outputs."""
    return Factors(jnp.zeros(x.shape, dtype), jnp.zeros((*x.shape[:-1], features), dtype))
