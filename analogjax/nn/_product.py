"""The product of a layer with its weights, and how it gives away the factors of its gradient."""

import jax

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
) -> jax.Array:
    """The product as its array is read, tapped if there is a tap.

    With several groups, x is ``(..., groups, in)``, each group with its own columns of w,
    ``(in, groups * out)``, and the product is ``(..., groups, out)``.
    """
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


def empty_tap(x: jax.Array, y: jax.Array) -> Factors:
    """Zeros of the shapes of the factors of a product ``y`` with ``x``.

    They are computed from both, so that a flax transformation whose axes would give one tap to
    all its steps cannot mistake them for a constant and fails.
    """
    return Factors(0 * x, 0 * y)


def add_bias(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """``y + bias`` with ``y`` as a matrix, the shape in which a product's errors are used, too."""
    return y if bias is None else (y.reshape(-1, y.shape[-1]) + bias).reshape(y.shape)
