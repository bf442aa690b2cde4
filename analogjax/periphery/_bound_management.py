"""Reading again, with smaller inputs, where an output has hit its bound."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from analogjax.periphery._analog_io import AnalogIO
from analogjax.periphery._rounding import step_size

# From a number of the pass and what to multiply the inputs by, to outputs and to which clipped.
Read = Callable[[jax.Array | int, jax.Array], tuple[jax.Array, jax.Array]]


def managed_read(
    read: Read, scale: jax.Array, worst_case: jax.Array, io: AnalogIO, shape: tuple[int, ...]
) -> jax.Array:
    r"""The outputs of the first pass of each vector that is within bounds.

    .. math:: y = a \rho\, read(x / (a \rho)), \qquad \rho = 1, 2, 4, \ldots

    Each vector decides for itself. Its last pass is the one whose :math:`\rho` exceeds
    ``max_bm_factor``, or ``max_bm_res`` divided by the step of the input converter, and stays
    clipped. ``"iterative_worst_case"`` replaces a by ``worst_case`` at the second pass and starts
    again from :math:`\rho = 1`.

    Args:
      read: what a pass gives.
      scale: the scale a of each vector, ``(..., 1)``.
      worst_case: that of the second pass.
      io: what limits the passes.
      shape: of the outputs, ``(..., out)``.
    """
    step = step_size(io.inp_bound, io.inp_res)
    largest = jnp.where(step > 0, io.max_bm_res / step, jnp.inf)

    def a_pass(carry):
        n, rho, scale, y, going = carry
        rho = jnp.where(going, 2 * rho, rho)
        if io.bound_management == "iterative_worst_case":
            scale = jnp.where(n == 1, worst_case, scale)
            rho = jnp.where(n == 1, 1.0, rho)
        factor = 1 / scale / rho
        new, clipped = read(n, factor)
        y = jnp.where(going, new / factor, y)
        limited = (jnp.floor(rho) > io.max_bm_factor) | (rho > largest)
        return n + 1, rho, scale, y, going & clipped & ~limited

    start = (
        jnp.int32(0),
        jnp.full_like(scale, 0.5),
        scale,
        jnp.zeros(shape, scale.dtype),
        jnp.ones(scale.shape, bool),
    )
    return jax.lax.while_loop(lambda carry: jnp.any(carry[-1]), a_pass, start)[3]
