"""Finding what rules keep, wherever in the state of an optimizer it is."""

from typing import TypeVar

import jax

from analogjax.rules._base import AnalogState
from analogjax.tiles import TileStack

Node = TypeVar("Node")


def nodes_of(tree, kind: type[Node]) -> list[Node]:
    """The nodes of one kind in a tree, such as the ``AnalogState`` in that of a partition."""
    nodes = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, kind))
    return [node for node in nodes if isinstance(node, kind)]


def tile_stacks(opt_state) -> dict[str, TileStack]:
    """The tiles of every weight, by the parameter's path, wherever in the state they are."""
    return {
        name: stack
        for state in nodes_of(opt_state, AnalogState)
        for name, own in state.weights.items()
        for stack in nodes_of(own, TileStack)
    }
