"""What one array of crosspoints is made of, drawn once and kept for a whole training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Cells(NamedTuple):
    """The constants of every crosspoint of one array.

    Each field is an array of the array's shape ``(in, out)``, or a scalar where the device has no
    device-to-device variation of it, so that an ideal device costs no memory per crosspoint.

    Attributes:
      step_up: weight added by one up pulse at w = 0, in units of the weight.
      step_down: weight removed by one down pulse at w = 0, in units of the weight.
      w_max: largest reachable weight, in units of the weight.
      w_min: smallest reachable weight, in units of the weight.
    """

    step_up: jax.Array
    step_down: jax.Array
    w_max: jax.Array
    w_min: jax.Array


# Cells, or the NamedTuple of a device with more constants, which starts with the same fields.
AnyCells = Any


def ratio(a, b):
    """``a / b``, and 0 where b is 0."""
    return jnp.where(b == 0, 0.0, a / jnp.where(b == 0, 1.0, b))


def spread(xi, size):
    """``size * xi``; the scalar 0 if there is no spread, which then takes no memory."""
    return jnp.zeros(()) if is_zero(size) else size * xi


def two_sided(mean, gain, imbalance, up_down):
    r"""A constant of the up and of the down direction, :math:`mean (gain \pm imbalance)`.

    ``up_down`` weakens one of the two: the up one if it is negative, else the down one.
    """
    up = mean * (gain + imbalance + jnp.minimum(up_down, 0.0))
    down = mean * (gain - imbalance - jnp.maximum(up_down, 0.0))
    return up, down


def is_concrete(value) -> bool:
    """Whether ``value`` is a number one may look at now, rather than one that JAX is tracing."""
    return not isinstance(value, jax.core.Tracer) and isinstance(
        value, (int, float, np.ndarray, np.generic, jax.Array)
    )


def is_zero(value) -> bool:
    """Whether ``value`` is known, before anything runs, to be zero everywhere."""
    return is_concrete(value) and not np.any(np.asarray(value))
