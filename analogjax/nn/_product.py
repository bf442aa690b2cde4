"""The product of a layer with its weights, and how it gives away the factors of its gradient."""

import functools

import jax

from analogjax.periphery import AnalogIO, matrix_product, mvm
from analogjax.pulses import Factors


@jax.custom_vjp
def gather_factors(y: jax.Array, x: jax.Array, tap: Factors) -> jax.Array:
    r"""A product ``y`` of ``x`` as it is, whose derivative by ``tap`` is the pair (x, d).

    The gradient of the weights is :math:`\sum_b x_b\delta_b^T`, in which the vectors that an
    array is pulsed with are lost. ``tap`` takes no part in the product; its cotangent is *defined*
    as the factors themselves, so that differentiating a loss by the taps of a model gathers them.

    Args:
      y: the product, ``(..., out)``, however it was made.
      x: inputs, ``(..., in)``.
      tap: a pair of the shapes of ``x`` and of ``y``, of any values.

    Returns:
      ``y``.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import Factors, gather_factors
      >>> x, w = jnp.array([[1.0, 2.0]]), jnp.ones((2, 1))
      >>> tap = Factors(jnp.zeros((1, 2)), jnp.zeros((1, 1)))
      >>> factors = jax.grad(lambda tap: 3 * gather_factors(x @ w, x, tap).sum())(tap)
      >>> factors.x.tolist(), factors.d.tolist()
      ([[1.0, 2.0]], [[3.0]])
    """
    del x, tap
    return y


def _forward(y, x, tap):
    del tap
    return y, x


def _backward(x, d):
    # Several users follow, for each of which XLA would compute it anew.
    d = jax.lax.optimization_barrier(d)
    return d, None, Factors(x, d)


gather_factors.defvjp(_forward, _backward)


def product(
    x: jax.Array,
    w: jax.Array,
    tap: Factors | None,
    groups: int = 1,
    *,
    key: jax.Array | None = None,
    io: AnalogIO | None = None,
    io_backward: AnalogIO | None = None,
) -> jax.Array:
    """``x @ w`` through the converters, if there are any, and tapped if there is a tap.

    With several groups, x is ``(..., groups, in)``, each group with its own columns of w,
    ``(in, groups * out)``, and the product is ``(..., groups, out)``.
    """
    if groups > 1:
        columns = w.reshape(w.shape[0], groups, -1)
        keys = None if key is None else jax.random.split(key, groups)
        one = functools.partial(_one_array, io=io, io_backward=io_backward)
        return jax.vmap(one, in_axes=(-2, 1, -2, 0), out_axes=-2)(x, columns, tap, keys)
    return _one_array(x, w, tap, key, io, io_backward)


def needs_key(io: AnalogIO | None, io_backward: AnalogIO | None) -> bool:
    """Whether a product through these converters draws random numbers."""
    return any(one is not None and not one.is_perfect for one in (io, io_backward))


def _one_array(x, w, tap, key, io, io_backward):
    if io is None and io_backward is None:
        y = matrix_product(x, w)
    else:
        y = mvm(key, x, w, AnalogIO.perfect() if io is None else io, backward=io_backward)
    if tap is None:
        return y
    if tap.x.shape != x.shape:
        raise ValueError(
            f"A tap of inputs {tap.x.shape} was given for inputs {x.shape}: make the taps with "
            f"arguments of the shapes that the loss is called with."
        )
    return gather_factors(y, x, tap)


def empty_tap(x: jax.Array, y: jax.Array) -> Factors:
    """Zeros of the shapes of the factors of a product ``y`` with ``x``.

    They are computed from both, so that a flax transformation whose axes would give one tap to
    all its steps cannot mistake them for a constant and fails.
    """
    return Factors(0 * x, 0 * y)


def add_bias(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """``y + bias`` with ``y`` as a matrix, the shape in which a product's errors are used, too."""
    return y if bias is None else (y.reshape(-1, y.shape[-1]) + bias).reshape(y.shape)
