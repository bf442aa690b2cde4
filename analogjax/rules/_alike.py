"""One function over many weight matrices, compiled once for all small ones that are alike."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

# Entries of the largest leaf up to which a loop is as fast as one matrix after the other: the loop
# stacks what it goes over, which costs large matrices more than their own steps do.
SMALL = 128 * 128


def map_alike(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """``[function(item) for item in items]``, small items of the same structure in one loop.

    A step of a rule compiles for seconds a matrix; a transformer has dozens of them, of a few
    shapes.
    """
    groups: dict[Any, list[int]] = {}
    for n, item in enumerate(items):
        structure, largest = _structure(item)
        groups.setdefault(structure if largest <= SMALL else n, []).append(n)
    results: list[Any] = [None] * len(items)
    for places in groups.values():
        for n, result in zip(places, _map([items[n] for n in places], function), strict=True):
            results[n] = result
    return results


def _map(items: list[Any], function) -> list[Any]:
    if len(items) == 1:
        return [function(items[0])]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *items)
    results = jax.lax.map(function, stacked)
    return [jax.tree.map(lambda leaf, n=n: leaf[n], results) for n in range(len(items))]


def _structure(item) -> tuple[Any, int]:
    """The tree, shapes and types of an item, and the entries of its largest leaf."""
    leaves, treedef = jax.tree.flatten(item)
    avals = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
    return (treedef, avals), max(jnp.size(leaf) for leaf in leaves)
