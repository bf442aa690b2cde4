"""How a product gives away the factors of the gradient of its weights."""

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from analogjax.pulses import Factors


def gather_factors(y: jax.Array, x: jax.Array, tap: Factors) -> jax.Array:
    r"""The product ``y`` of ``x`` with weights as it is, whose derivative by ``tap`` is (x, d).

    The gradient of the weights is :math:`\sum_b x_b\delta_b^T`, in which the vectors that an
    array is pulsed with are lost. ``tap`` takes no part in the product; its cotangent is *defined*
    as the factors themselves, so that differentiating a loss by the taps of a model gathers them.

    Args:
      y: the product, ``(..., out)``, however it was read.
      x: its inputs, ``(..., in)``.
      tap: a pair of the shapes of ``x`` and of ``y``, of any values.

    Returns:
      ``y``.

    Raises:
      ValueError: if ``vmap`` maps ``x`` but not ``tap``, which would get sums of vectors. A
        derivative within the ``vmap``, one for each sample, has a tap of its own.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import Factors, gather_factors
      >>> x, w = jnp.array([[1.0, 2.0]]), jnp.ones((2, 1))
      >>> tap = Factors(jnp.zeros((1, 2)), jnp.zeros((1, 1)))
      >>> factors = jax.grad(lambda tap: 3 * gather_factors(x @ w, x, tap).sum())(tap)
      >>> factors.x.tolist(), factors.d.tolist()
      ([[1.0, 2.0]], [[3.0]])
    """
    return _gather(y, x, Factors(*_own_tap.bind(*tap, x)))


# The tap as it is, refused where samples would share it. Differentiating leaves it out, so that it
# meets a vmap within a derivative, which sums, and none around it.
_own_tap = Primitive("own_tap")
_own_tap.multiple_results = True


def _as_it_is(x_tap, d_tap, x):
    del x
    return [x_tap, d_tap]


def _batched(arguments, axes):
    if axes[2] is not None and axes[0] is None:
        raise ValueError(
            "jax.vmap maps the inputs of a layer but not its tap, which would get the sum of the "
            "samples' vectors: map the taps too (one for each sample), or give the model the "
            "mini-batch as a whole."
        )
    return _as_it_is(*arguments), axes[:2]


_own_tap.def_impl(_as_it_is)
_own_tap.def_abstract_eval(_as_it_is)
mlir.register_lowering(_own_tap, mlir.lower_fun(_as_it_is, multiple_results=True))
batching.primitive_batchers[_own_tap] = _batched
ad.primitive_jvps[_own_tap] = lambda primals, tangents: (primals[:2], tangents[:2])


@jax.custom_vjp
def _gather(y: jax.Array, x: jax.Array, tap: Factors) -> jax.Array:
    del x, tap
    return y


def _forward(y, x, tap):
    del tap
    return y, x


def _backward(x, d):
    # Several users follow, for each of which XLA would compute it anew.
    d = jax.lax.optimization_barrier(d)
    return d, None, Factors(x, d)


_gather.defvjp(_forward, _backward)
