"""Arrays compute in single precision, whatever the precision around them."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp


def in_single(fn: Callable) -> Callable:
    """``fn`` with every float64 of its arguments as float32, and none in what it computes.

    Where ``jax_enable_x64`` is on, numbers that JAX makes by itself would be twice as wide and no
    longer fit the state of the arrays.
    """

    @functools.wraps(fn)
    def single(*args):
        args = jax.tree.map(_narrow, args)
        with jax.enable_x64(False):
            return fn(*args)

    return single


def _narrow(leaf):
    return leaf.astype(jnp.float32) if getattr(leaf, "dtype", None) == jnp.float64 else leaf
