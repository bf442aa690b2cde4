"""Telling the weights that are on arrays in a parameter tree, and replacing them."""

from collections.abc import Callable
from typing import Any

import jax

from analogjax.devices import check_real
from analogjax.nn import labels
from analogjax.rules import leaf_name

# From a parameter tree to one of the words "analog" and "digital".
Labels = Callable[[Any], Any]


def analog_weights(params: Any, param_labels: Labels = labels) -> dict[str, jax.Array]:
    """The weights that are on arrays, by their paths.

    Args:
      params: a parameter tree, of linen or of nnx.
      param_labels: from the parameters to a tree of "analog" and "digital".

    Raises:
      ValueError: for another word, if no parameter is analog, or one is not of real numbers.
    """
    leaves = leaves_by_name(params)
    # One word may stand for all parameters below it, as for optax.partition.
    words = jax.tree.leaves(jax.tree.broadcast(param_labels(params), params))
    unknown = [word for word in words if word not in ("analog", "digital")]
    if unknown:
        raise ValueError(f"Labels must be 'analog' or 'digital', got {unknown[0]!r}.")
    found = {
        name: leaf
        for (name, leaf), word in zip(leaves.items(), words, strict=True)
        if word == "analog"
    }
    if not found:
        raise ValueError(
            f"No parameter is labelled 'analog' among {[*leaves]}: "
            f"give param_labels, such as functools.partial(labels, analog='weight')."
        )
    for name, leaf in found.items():
        check_real(f"The weight '{name}'", leaf)
    return found


def leaves_by_name(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their paths."""
    return {leaf_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def replace_weights(params: Any, weights: dict[str, jax.Array]) -> Any:
    """The parameters with those at the given paths replaced, in their shapes and types."""

    def replaced(path, leaf):
        w = weights.get(leaf_name(path))
        return leaf if w is None else w.reshape(leaf.shape).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(replaced, params)
