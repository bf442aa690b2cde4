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
    again from :math:`\rho = 1`; without noise management there is no scale to replace, and the
    second pass repeats the first, as in the simulators it comes from.

    Args:
      read: what a pass gives.
      scale: the scale a of each vector, ``(..., 1)``.
      worst_case: that of the second pass.
      io: what limits the passes.
      shape: of the outputs, ``(..., out)``.
    """
    step = step_size(io.inp_bound, io.inp_res)
    largest = jnp.where(step > 0, io.max_bm_res / step, jnp.inf)

    def out_of_bounds(rho, clipped):
        return clipped & (jnp.floor(rho) <= io.max_bm_factor) & (rho <= largest)

    def another_pass(carry):
        n, rho, scale, y, going = carry
        rho = 2 * rho
        if io.bound_management == "iterative_worst_case":
            scale = jnp.where(n == 1, worst_case, scale)
            rho = jnp.where(n == 1, 1.0, rho)
        new, clipped = read(n, 1 / scale / rho)
        return (
            n + 1,
            rho,
            scale,
            jnp.where(going, new * scale * rho, y),
            going & out_of_bounds(rho, clipped),
        )

    # The first pass, mostly the only one, stands by itself: in the loop it would cost a tenth more.
    first, clipped = read(0, 1 / scale)
    rho = jnp.ones((), scale.dtype)
    start = jnp.int32(1), rho, scale, first * scale, out_of_bounds(rho, clipped)
    return jax.lax.while_loop(lambda carry: jnp.any(carry[-1]), another_pass, start)[3]
