"""Where the few set bits of many are, at a cost that hardly follows the many."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

State = TypeVar("State")

_WORD = 32


def visit_set_bits(
    bits: jax.Array,
    together: int,
    visit: Callable[[jax.Array, jax.Array, State], State],
    state: State,
) -> State:
    """The state after a visit to the set bits in ascending order, so many at a time.

    Args:
      bits: booleans, ``(n,)``.
      together: how many bits a visit takes; all if that is more.
      visit: takes the places of some bits, int32, ``(together,)``, whether there is a set bit at
        each (in the last visit there may be fewer), and the state; gives the state.
      state: the state before.
    """
    listed, total = set_bits(bits)
    together = min(together, bits.size)

    def some(carry):
        start, state = carry
        at = start + jnp.arange(together)
        return start + together, visit(listed[jnp.minimum(at, bits.size - 1)], at < total, state)

    return jax.lax.while_loop(lambda carry: carry[0] < total, some, (jnp.int32(0), state))[1]


def set_bits(bits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The places of the set bits in ascending order, and their number.

    The bits are packed into words, and every word hands out its lowest bit in turn, so that sums
    and scatters have the length of the words alone.

    Args:
      bits: booleans, ``(n,)``.

    Returns:
      int32 places, ``(n,)``, zero beyond the number; and the int32 number.
    """
    size = bits.size
    padded = jnp.pad(bits, (0, -size % _WORD)).reshape(-1, _WORD)
    weights = jnp.uint32(1) << jnp.arange(_WORD, dtype=jnp.uint32)
    words = jnp.where(padded, weights, jnp.uint32(0)).sum(axis=1, dtype=jnp.uint32)
    first = jnp.arange(len(words), dtype=jnp.int32) * _WORD
    ends = jnp.cumsum(jax.lax.population_count(words).astype(jnp.int32))
    starts = ends - jax.lax.population_count(words).astype(jnp.int32)

    def hand_out(carry):
        words, at, listed = carry
        place = first + _lowest(words)
        listed = listed.at[jnp.where(words == 0, size, at)].set(place, mode="drop")
        return words & (words - 1), at + 1, listed

    _, _, listed = jax.lax.while_loop(
        lambda carry: jnp.any(carry[0] != 0),
        hand_out,
        (words, starts, jnp.zeros(size, jnp.int32)),
    )
    return listed, ends[-1]


def _lowest(words: jax.Array) -> jax.Array:
    """The number of the lowest set bit of each word."""
    return jax.lax.population_count((words & -words) - jnp.uint32(1)).astype(jnp.int32)
