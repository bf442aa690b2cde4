"""Telling weights that live on arrays from parameters that stay digital."""

import re

import jax

from analogjax.rules import leaf_name


def labels(params, analog: str = r"(^|/)kernel$"):
    """Labels each parameter "analog" or "digital", for ``optax.partition``.

    A parameter is analog if its path matches and it has at least two axes; biases, norms and
    scales stay digital. The labels depend on paths and shapes alone.

    Args:
      params: a parameter tree, of linen or of nnx.
      analog: regular expression searched in paths such as ``Dense_0/kernel``.

    Returns:
      A tree like ``params`` of the two words.

    Raises:
      ValueError: if no parameter is analog.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.nn import labels
      >>> labels({"Dense_0": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}})
      {'Dense_0': {'bias': 'digital', 'kernel': 'analog'}}
    """
    pattern = re.compile(analog)

    def label(path, leaf):
        on_array = pattern.search(leaf_name(path)) and len(leaf.shape) >= 2
        return "analog" if on_array else "digital"

    made = jax.tree_util.tree_map_with_path(label, params)
    if "analog" not in jax.tree.leaves(made):
        leaves = jax.tree_util.tree_flatten_with_path(params)[0]
        matrices = [leaf_name(path) for path, leaf in leaves if len(leaf.shape) >= 2]
        raise ValueError(
            f"No parameter is analog: none of two or more axes, which are {matrices}, has a path "
            f"that matches {analog!r}."
        )
    return made
