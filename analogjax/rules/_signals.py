"""The signals of all parameters, from their gradients and factors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.pulses import Factors
from analogjax.rules._checks import check_pair, matrix_shape
from analogjax.rules._paths import leaf_name
from analogjax.rules._signal import Signal


class Pair(NamedTuple):
    """The factors of a call.

    Attributes:
      factors: the factors.
      layer: where they are one of several in a tuple or a list, the name of that; else None.
    """

    factors: Factors
    layer: str | None


def pairs_by_name(factors) -> dict[str, Pair]:
    """The factors by their paths: a parameter's own, or one step deeper for each of its calls."""

    def is_pair(node):
        return isinstance(node, Factors) or (
            isinstance(node, tuple) and len(node) == 2 and all(hasattr(a, "shape") for a in node)
        )

    leaves = jax.tree_util.tree_flatten_with_path(factors, is_leaf=is_pair)[0]
    for path, leaf in leaves:
        if not is_pair(leaf):
            raise ValueError(
                f"factors must hold a pair (x, d) at each parameter's path, or a tuple of pairs, "
                f"found {type(leaf).__name__} at '{leaf_name(path)}'."
            )
    return {leaf_name(path): Pair(Factors(*leaf), _layer_of(path)) for path, leaf in leaves}


def _layer_of(path: tuple) -> str | None:
    """The name that the factors at a path share, if they are one call's of several."""
    numbered = path and isinstance(path[-1], jax.tree_util.SequenceKey)
    return leaf_name(path[:-1]) if numbered else None


def calls_of(name: str, pairs: dict[str, Pair]) -> dict[str, Pair]:
    """Those of the pairs that are a parameter's."""
    return {path: pair for path, pair in pairs.items() if name in (path, pair.layer)}


def signal_of(name: str, gradient: jax.Array, pairs: dict[str, Pair] | None) -> Signal:
    """What the gradient of a parameter, and its factors if any are given, say of its matrix.

    Raises:
      ValueError: if they do not fit, or if factors are given but none of this parameter.
    """
    shape = matrix_shape(name, gradient)
    matrix = gradient.astype(jnp.float32).reshape(shape)
    if pairs is None:
        return Signal(matrix, None)
    calls = [pair.factors for pair in calls_of(name, pairs).values()]
    if not calls:
        raise ValueError(
            f"factors lacks the parameter '{name}' (it has {sorted(pairs)}): its layer is none of "
            f"analogjax.nn, or was not called. Take that of analogjax.nn (or convert the model), "
            f"keep the kernel digital by labels(params, analog=...), or hold a layer that rests "
            f"with by_path and optax.set_to_zero()."
        )
    for pair in calls:
        check_pair(name, pair, gradient.shape)
    x, d = (jnp.concatenate(parts) for parts in zip(*(pair.flat() for pair in calls), strict=True))
    return Signal(matrix, Factors(x.astype(jnp.float32), d.astype(jnp.float32)))
