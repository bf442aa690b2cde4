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


def product(x: jax.Array, w: jax.Array, tap: Factors | None, groups: int = 1) -> jax.Array:
    """``x @ w``, tapped if there is a tap.

    With several groups, x is ``(..., groups, in)``, each group with its own columns of w,
    ``(in, groups * out)``, and the product is ``(..., groups, out)``.
    """
    if groups > 1:
        columns = w.reshape(w.shape[0], groups, -1)
        return jax.vmap(product, in_axes=(-2, 1, -2), out_axes=-2)(x, columns, tap)
    if tap is None:
        return x @ w
    if tap.x.shape != x.shape:
        raise ValueError(
            f"A tap of inputs {tap.x.shape} was given for inputs {x.shape}: make the taps with "
            f"arguments of the shapes that the loss is called with."
        )
    return tapped_product(x, w, tap)


def empty_tap(x: jax.Array, y: jax.Array) -> Factors:
    """Zeros of the shapes of the factors of a product ``y`` with ``x``.

    They are computed from both, so that a flax transformation whose axes would give one tap to
    all its steps cannot mistake them for a constant and fails.
    """
    return Factors(0 * x, 0 * y)


def add_bias(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """``y + bias`` with ``y`` as a matrix, the shape in which a product's errors are used, too."""
    return y if bias is None else (y.reshape(-1, y.shape[-1]) + bias).reshape(y.shape)
