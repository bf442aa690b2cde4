"""Arrays compute in single precision, whatever the precision around them."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
import jax.numpy as jnp

Given = ParamSpec("Given")
Outcome = TypeVar("Outcome")


def in_single(fn: Callable[Given, Outcome]) -> Callable[Given, Outcome]:
    """``fn`` with every float64 of its arguments as float32, and none in what it computes.

    Where ``jax_enable_x64`` is on, numbers that JAX makes by itself would be twice as wide and no
    longer fit the state of the arrays. Strict rules for mixed types and ranks, which a user may
    have set for code of their own, do not hold within.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.pulses import in_single
      >>> with jax.enable_x64(True):
      ...     print(in_single(jnp.exp)(jnp.zeros(2)).dtype)
      float32
    """

    @functools.wraps(fn)
    def single(*args, **named):
        args, named = jax.tree.map(_narrow, (args, named))
        with (
            jax.enable_x64(False),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
        ):
            return fn(*args, **named)

    return single


def _narrow(leaf):
    return leaf.astype(jnp.float32) if getattr(leaf, "dtype", None) == jnp.float64 else leaf
