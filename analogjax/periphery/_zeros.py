"""Numbers known to be zero, kept known where JAX traces all others."""

from typing import Any, NamedTuple

import jax

from analogjax.devices import is_zero


class Zeros(NamedTuple):
    """Which leaves of a tree are known to be zero; hashable."""

    treedef: Any
    known: tuple[bool, ...]


def split_zeros(tree: Any) -> tuple[Zeros, list[jax.Array | float]]:
    """Which leaves are zero, and the others, that may be traced."""
    leaves, treedef = jax.tree.flatten(tree)
    known = tuple(is_zero(leaf) for leaf in leaves)
    others = [leaf for leaf, zero in zip(leaves, known, strict=True) if not zero]
    return Zeros(treedef, known), others


def join_zeros(zeros: Zeros, others: list) -> Any:
    """The tree of which :func:`split_zeros` has made these."""
    rest = iter(others)
    return jax.tree.unflatten(zeros.treedef, [0.0 if zero else next(rest) for zero in zeros.known])
