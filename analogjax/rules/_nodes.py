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
    """The tiles of every weight, by the parameter's path, wherever in the state they are.

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.rules import tile_stacks
      >>> rule = analogjax.residual_learning(0.1, SoftBounds.with_states(4), key=0, num_tiles=3)
      >>> state = rule.init({"dense": {"kernel": jnp.zeros((2, 3))}})
      >>> {name: len(stack.tiles) for name, stack in tile_stacks(state).items()}
      {'dense/kernel': 3}
    """
    return {
        name: stack
        for state in nodes_of(opt_state, AnalogState)
        for name, own in state.weights.items()
        for stack in nodes_of(own, TileStack)
    }
