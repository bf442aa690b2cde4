"""The product of a layer with its weights, and how it gives away the factors of its gradient."""

import jax
import jax.numpy as jnp

from analogjax.nn._analog import Analog
from analogjax.nn._factors import gather_factors
from analogjax.periphery import AnalogIO, matrix_product, mvm
from analogjax.pulses import Factors

EXACT = Analog()


def product(
    x: jax.Array,
    w: jax.Array,
    tap: Factors | None,
    groups: int = 1,
    analog: Analog = EXACT,
    key: jax.Array | None = None,
    scale: jax.Array | None = None,
) -> jax.Array:
    """The product as its array is read, tapped if there is a tap, and scaled if there is a scale.

    With several groups, x is ``(..., groups, in)``, each group with its own columns of w,
    ``(in, groups * out)``, and the product is ``(..., groups, out)``. What an array of a scale is
    sent are the errors divided by it: the derivative by its weights, ``scale`` times the errors,
    would make the step of ``scale * w`` grow with the square of the scale.
    """
    if scale is not None:
        w = scale_gradient(w, scale**-2)
        tap = None if tap is None else Factors(tap.x, scale_gradient(tap.d, scale**-2))
        y = product(x, w, tap, groups, analog, key)
        return (scale * y).astype(y.dtype)
    if groups > 1:
        columns = w.reshape(w.shape[0], groups, -1)
        keys = None if key is None else jax.random.split(key, groups)
        return jax.vmap(
            lambda key, x, w, tap: product(x, w, tap, analog=analog, key=key),
            in_axes=(0, -2, 1, -2),
            out_axes=-2,
        )(keys, x, columns, tap)
    if analog.io is None and analog.io_backward is None:
        y = matrix_product(x, w)
    else:
        y = mvm(key, x, w, analog.io or AnalogIO.perfect(), backward=analog.io_backward)
    if tap is None:
        return y
    if tap.x.shape != x.shape:
        raise ValueError(
            f"A tap of inputs {tap.x.shape} was given for inputs {x.shape}: make the taps with "
            f"arguments of the shapes that the loss is called with."
        )
    return gather_factors(y, x, tap)


@jax.custom_vjp
def scale_gradient(x: jax.Array, factor: jax.Array) -> jax.Array:
    """``x`` as it is, whose derivative is multiplied by ``factor``."""
    del factor
    return x


def _scale_forward(x, factor):
    return x, factor


def _scale_backward(factor, d):
    return (factor * d).astype(d.dtype), None


scale_gradient.defvjp(_scale_forward, _scale_backward)


def empty_tap(x: jax.Array, y: jax.Array) -> Factors:
    """Zeros of the shapes of the factors of a product ``y`` with ``x``.

    They are computed from both, so that a flax transformation whose axes would give one tap to
    all its steps cannot mistake them for a constant and fails.
    """
    return Factors(0 * x, 0 * y)


def add_bias(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """``y + bias`` with ``y`` as a matrix, the shape in which a product's errors are used, too."""
    if bias is None:
        return y
    return _add_rows(y.reshape(-1, y.shape[-1]), bias.reshape(1, -1)).reshape(y.shape)


@jax.custom_jvp
def _add_rows(y: jax.Array, bias: jax.Array) -> jax.Array:
    return y + bias


@_add_rows.defjvp
def _(primals, tangents):
    y, bias = tangents
    # As a product, since XLA computes the errors once for all products, but anew for a sum.
    ones = jnp.ones((y.shape[0], 1), bias.dtype)
    return _add_rows(*primals), y + jnp.dot(ones, bias, precision="highest")
