"""The product of vectors with an array."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import is_concrete
from analogjax.periphery._analog_io import AnalogIO
from analogjax.periphery._bound_management import managed_read
from analogjax.periphery._check import (
    check_backward,
    check_named,
    check_product,
    check_sampled,
    check_scale,
    check_silent,
)
from analogjax.periphery._check_lines import check_lines
from analogjax.periphery._draws import Use
from analogjax.periphery._noise_management import noise_scale, worst_case_scale
from analogjax.periphery._passes import one_read
from analogjax.periphery._product import matrix_product
from analogjax.periphery._zeros import Zeros, join_zeros, split_zeros


def mvm(
    key: jax.Array | None,
    x: jax.Array,
    w: jax.Array,
    io: AnalogIO,
    *,
    backward: AnalogIO | None = None,
    input_scale: jax.Array | float | None = None,
) -> jax.Array:
    r"""The product of each vector of ``x`` with the weights of an array, read through ``io``.

    Vector by vector,

    1. the inputs are divided by a scale a (``noise_management``) and by :math:`\rho` = 1, then 2,
       4, ... while an output clips (``bound_management``);
    2. they are rounded, clipped and made noisy: :math:`x \leftarrow clip(Q(x)) + inp\_noise\,\xi`;
    3. the lines sum up, :math:`z_i = \sum_j w_{ji} x_j`, with IR drop, voltage offsets and weight
       noise;
    4. the outputs are bent, made noisy, rounded and clipped:
       :math:`z \leftarrow clip(Q(bend(z) + out\_noise\,\xi))`;
    5. the result is :math:`y = a \rho\, out\_scale\, z`, so that noise is amplified by
       :math:`a \rho`.

    A vector without any input, :math:`a \le 0`, gives zeros if there is no input noise. Every
    vector, and every pass of it, has noise of its own.

    **Derivatives** are a choice, made by ``backward``, since rounding has none. Without it they are
    those of the perfect product :math:`out\_scale\; x W`: noise in the forward product only, as in
    hardware-aware training. With it the errors go back through the same array,
    :math:`mvm(\delta, W^T)` with these converters but without bound management, as in training on
    the hardware. The gradient of the weights then is :math:`\sum_b x_b \delta_b^T` of the vectors
    as they are fed, which is what pulses are made from. Nothing else has a derivative.

    Args:
      key: a PRNG key, or None if ``io`` and ``backward`` have nothing random.
      x: inputs, ``(..., in)``.
      w: weights, ``(in, out)``.
      io: the converters. Spreads over lines must have been drawn, by ``io.sample``.
      backward: those of the backward product, drawn for the shape ``(out, in)``; None for exact
        derivatives. Its noise management cannot be ``"average_abs_max"``.
      input_scale: the scale a for ``noise_management="average_abs_max"``, one number or one for
        each vector, ``(...)``; from :func:`~analogjax.periphery.running_abs_max`.

    Returns:
      Outputs, ``(..., out)``, in the dtype of ``x``; computed in float32 at least.

    Raises:
      ValueError: if shapes do not fit or a field of ``io`` is out of its range.
      TypeError: if an argument is of a wrong kind.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.periphery import AnalogIO, mvm
      >>> io = AnalogIO(inp_res=2**4 - 2, out_noise=0.0, out_res=-1)
      >>> x, w = jnp.array([0.5, 0.13]), jnp.array([[1.0], [1.0]])
      >>> y = mvm(jax.random.key(0), x, w, io)  # 0.13 is read as 2/7 of 0.5
      >>> round(y.item(), 4)
      0.6429
      >>> jax.grad(lambda x: mvm(jax.random.key(0), x, w, io).sum())(x).tolist()
      [1.0, 1.0]
    """
    x, w = jnp.asarray(x), jnp.asarray(w)
    check_product(x, w)
    arrays = [("io", io, w.shape)]
    if backward is not None:
        arrays.append(("backward", backward, w.shape[::-1]))
    for argument, one, shape in arrays:
        check_named(argument, one)
        check_sampled(one)
        check_lines(one, shape)
    check_scale(io, x, input_scale)
    check_backward(backward)
    if key is None:
        check_silent(io, backward)
        key = jax.random.key(0)  # Nothing is drawn with it.
    if io.is_perfect and (
        backward is None or (_changes_nothing(io) and _changes_nothing(backward))
    ):
        return _perfect(x, w, io).astype(x.dtype)
    zeros, others = split_zeros((_switched_off(io), _switched_off(backward)))
    return _analog(zeros, others, key, x, w, input_scale)


def _switched_off(io: AnalogIO | None) -> AnalogIO | None:
    """The same converters, with a resolution of 0 for one that does not round."""
    if io is None:
        return None
    none: dict[str, Any] = {
        name: 0.0
        for name in ("inp_res", "out_res")
        if is_concrete(getattr(io, name)) and np.all(np.asarray(getattr(io, name)) <= 0)
    }
    return dataclasses.replace(io, **none)


def _perfect(x: jax.Array, w: jax.Array, io: AnalogIO) -> jax.Array:
    y = matrix_product(_wide(x), _wide(w))
    return y if _changes_nothing(io) else io.out_scale * y


def _changes_nothing(io: AnalogIO) -> bool:
    """Whether a perfect product is not even scaled."""
    return io.is_perfect and isinstance(io.out_scale, float) and io.out_scale == 1


def _wide(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _differentiable(zeros: Zeros, others, key, x, w, input_scale):
    return _forward(zeros, others, key, x, w, input_scale)[0]


def _forward(zeros, others, key, x, w, input_scale):
    io, _ = join_zeros(zeros, others)
    return _read(key, x, w, io, input_scale).astype(x.dtype), (others, key, x, w)


def _backward(zeros, saved, d):
    others, key, x, w = saved
    io, backward = join_zeros(zeros, others)
    # Several users follow, for each of which XLA would compute it anew.
    d = jax.lax.optimization_barrier(d)
    fed = _wide(d) if backward is not None else io.out_scale * _wide(d)
    gradient = _wide(x).reshape(-1, x.shape[-1]).T @ fed.reshape(-1, d.shape[-1])
    if backward is None:
        back = fed @ _wide(w).T
    else:
        one_way = dataclasses.replace(backward, bound_management="none")
        key_back = None if backward.is_perfect else jax.random.fold_in(key, Use.BACKWARD)
        back = _read(key_back, d, w.T, one_way, None)
    return None, None, back.astype(x.dtype), gradient.astype(w.dtype), None


_differentiable.defvjp(_forward, _backward)
_analog = jax.jit(_differentiable, static_argnums=0)  # So that a call outside of jit is fast, too.


def _read(key, x, w, io: AnalogIO, input_scale) -> jax.Array:
    """The product, in float32 or wider."""
    if io.is_perfect:
        return _perfect(x, w, io)
    x, w = _wide(x), _wide(w)
    if input_scale is None:
        scale = noise_scale(x, io)
    else:
        scale = jnp.asarray(input_scale, x.dtype)[..., None]
        scale = jnp.broadcast_to(scale, (*x.shape[:-1], 1))
    # A scale that is none leaves the inputs as they are; so it is in the simulators it comes from.
    silent = scale <= 0
    scale = jnp.where(silent, 1.0, scale)
    if io.bound_management == "none":
        y = one_read(key, x * (1 / scale), w, io)[0] * scale
    else:
        y = _managed(key, x, w, io, scale)
    if io.noise_management != "none":
        y = jnp.where(silent & (jnp.asarray(io.inp_noise) <= 0), 0.0, y)
    return y * io.out_scale


def _managed(key, x, w, io: AnalogIO, scale) -> jax.Array:
    """The product with bound management."""

    def read(n, factor):
        return one_read(jax.random.fold_in(key, Use.PASS + n), x * factor, w, io)

    replaced = io.bound_management == "iterative_worst_case" and io.noise_management != "none"
    worst_case = worst_case_scale(x, io).astype(scale.dtype) if replaced else scale
    return managed_read(read, scale, worst_case, io, (*x.shape[:-1], w.shape[-1]))
