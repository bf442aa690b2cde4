"""Another rule for each group of layers, chosen by the names of their parameters."""

import re
from collections.abc import Mapping

import jax
import optax

from analogjax.rules._paths import layer_leaf_name, leaf_name


def by_path(
    rules: Mapping[str, optax.GradientTransformation], otherwise: optax.GradientTransformation
) -> optax.GradientTransformationExtraArgs:
    """A transformation that gives each parameter to the first rule whose pattern it matches.

    Args:
      rules: rules by regular expressions, searched in paths such as ``Dense_0/kernel``, which also
        means ``Dense_0/array_0_1/kernel``, an array of a mapped layer.
      otherwise: what all parameters get that match none, such as the biases.

    Returns:
      An ``optax.partition`` of the rules, labelled with their patterns ("otherwise" for the rest).

    Raises:
      ValueError: by ``init``, if a pattern matches no parameter that is left for it.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> device = SoftBounds.with_states(10)
      >>> rule = analogjax.by_path(
      ...     {
      ...         "Dense_1/kernel": analogjax.residual_learning(0.1, device, key=0),
      ...         "kernel": analogjax.analog_sgd(0.1, device, key=1),
      ...     },
      ...     otherwise=optax.sgd(0.1),
      ... )
      >>> layer = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
      >>> state = rule.init({"Dense_0": layer, "Dense_1": layer})
      >>> sorted(state.inner_states)
      ['Dense_1/kernel', 'kernel', 'otherwise']
    """
    if "otherwise" in rules:
        raise ValueError(
            "The pattern 'otherwise' has the name of the rest: write it 'otherwis[e]', say."
        )
    patterns = {pattern: re.compile(pattern) for pattern in rules}

    def label(path, _):
        name = leaf_name(path)
        names = (name, layer_leaf_name(name))
        found = (pattern for pattern, regex in patterns.items() if any(map(regex.search, names)))
        return next(found, "otherwise")

    def labels(params):
        tree = jax.tree_util.tree_map_with_path(label, params)
        unused = [pattern for pattern in rules if pattern not in jax.tree.leaves(tree)]
        if unused:
            names = [leaf_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
            raise ValueError(
                f"The pattern '{unused[0]}' matches none of the parameters {names} that patterns "
                f"before it have left."
            )
        return tree

    return optax.partition({**rules, "otherwise": otherwise}, labels)
