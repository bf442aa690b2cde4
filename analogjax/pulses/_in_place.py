"""Changing a state only if something is so."""

from collections.abc import Callable
from typing import TypeVar

import jax

State = TypeVar("State")


def change_if(
    condition: jax.Array,
    change: Callable[[State], State],
    state: State,
    *,
    reversible: bool = False,
) -> State:
    """``change(state)`` if the condition holds, else the state as it is, untouched in its place.

    A loop of at most one turn: XLA lets a loop work in place, where the branches of a conditional
    copy all arrays they may change. Under ``vmap`` nothing is computed if none of a batch does.

    Args:
      condition: whether to change, a bool.
      change: what gives the state after.
      state: the state before.
      reversible: a conditional instead, through which reverse-mode derivatives go.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.pulses import change_if
      >>> state = jnp.zeros(3)
      >>> change_if(jnp.array(True), lambda state: state + 1, state).tolist()
      [1.0, 1.0, 1.0]
    """
    if reversible:
        return jax.lax.cond(condition, change, lambda state: state, state)
    return jax.lax.while_loop(
        lambda carry: carry[0],
        lambda carry: (carry[0] & False, change(carry[1])),
        (condition, state),
    )[1]
