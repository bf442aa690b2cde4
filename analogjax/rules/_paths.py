"""Names of the leaves of a parameter tree, the same in every framework."""

import re
import zlib

import jax
import numpy as np


def leaf_name(path: tuple) -> str:
    """The path of a leaf as text, ``Dense_0/kernel``.

    Inside ``nnx.Optimizer`` the leaves come wrapped at ``init`` and bare at ``update``; the
    wrapper's own last step is left off, so that both give one name.
    """
    parts = [_part(entry) for entry in path]
    if parts and parts[-1] == "value" and isinstance(path[-1], jax.tree_util.GetAttrKey):
        parts = parts[:-1]
    return "/".join(parts)


def layer_leaf_name(name: str) -> str:
    """The name of the layer's own leaf for that of one of its arrays.

    A layer that is mapped has ``array_0_1/kernel`` in the place of ``kernel``; a pattern for the
    one means all of the others.
    """
    return re.sub(r"(^|/)array_\d+_\d+/", r"\1", name)


def leaf_address(name: str) -> np.uint32:
    """A number to draw by for each leaf, the same whatever other leaves there are."""
    return np.uint32(zlib.crc32(name.encode()))


def _part(entry) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)
