"""Where in an epoch a training first met a number that is not finite."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.rules import leaf_name


class Broken(NamedTuple):
    """The first step of an epoch with a number that is not finite.

    Attributes:
      step: its number in the epoch, from 0; the number of steps if there is none, int32.
      parts: which of the parts named by :func:`part_names` were not finite there.
    """

    step: jax.Array
    parts: jax.Array


def part_names(params) -> list[str]:
    """What :func:`parts_broken` looks at, in its order."""
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    return [
        "the loss",
        *(f"the gradient or the weights of {leaf_name(path)}" for path, _ in leaves),
    ]


def parts_broken(loss, params) -> jax.Array:
    """Whether the loss and each parameter holds a number that is not finite.

    A gradient that is not finite makes its parameter so, under analog rules too, and so do
    conductances that are not.

    Args:
      loss: the loss of a step.
      params: the parameters after it.
    """
    parts = [loss, *jax.tree.leaves(params)]
    return jnp.stack([~jnp.isfinite(part).all() for part in parts])


def first_broken(steps: jax.Array) -> Broken:
    """The first step with a broken part.

    Args:
      steps: the parts of every step, ``(steps, parts)``.
    """
    any_part = steps.any(axis=1)
    first = jnp.where(any_part.any(), jnp.argmax(any_part), len(steps)).astype(jnp.int32)
    return Broken(first, steps[jnp.minimum(first, len(steps) - 1)])


def describe(broken: Broken, names: list[str], steps: int) -> str | None:
    """The first step, counted from 1, and the parts that broke in it; None if none did.

    Args:
      broken: of one training, or of several, with a leading axis.
      names: those of the parts.
      steps: in an epoch.
    """
    at = np.atleast_1d(np.asarray(broken.step))
    if at.min() >= steps:
        return None
    parts = np.asarray(broken.parts).reshape(len(at), -1)[at.argmin()]
    found = [name for name, bad in zip(names, parts, strict=True) if bad]
    more = f" and {len(found) - 3} others" if len(found) > 3 else ""
    return f"{', '.join(found[:3])}{more}, first in step {at.min() + 1} of {steps}"
