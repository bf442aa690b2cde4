"""Loops of elementwise passes that stay cheap under ``vmap``."""

import functools

import jax
import jax.numpy as jnp


def elementwise(fn):
    """Makes ``vmap`` hand a whole batch of arrays to ``fn`` as one larger array.

    A loop batched in the ordinary way decides for each array of the batch whether it goes on, and
    restores the others after every pass, which costs more than the pass itself. Where a pass
    leaves finished elements as they are, one decision for the whole batch gives the same numbers.

    Args:
      fn: function of pytrees whose leaves are scalars or arrays that broadcast with each other,
        which treats each element alone and gives arrays of their broadcast shape.

    Returns:
      The same function.
    """

    @functools.wraps(fn)
    def call(*args):
        leaves, treedef = jax.tree.flatten(args)
        # Numbers that are known stay so: what is known to be zero is not computed.
        given = [
            isinstance(leaf, jax.core.Tracer) or getattr(leaf, "ndim", 0) > 0 for leaf in leaves
        ]

        def on_given(*values):
            rest = iter(values)
            full = [next(rest) if g else leaf for g, leaf in zip(given, leaves, strict=True)]
            return fn(*jax.tree.unflatten(treedef, full))

        values = [leaf for g, leaf in zip(given, leaves, strict=True) if g]
        return _over_batches(on_given)(*values)

    return call


def _over_batches(fn):
    """``fn`` of arrays and scalars, with a batching rule that widens the arrays."""
    wide = jax.custom_batching.custom_vmap(fn)

    @wide.def_vmap
    def rule(size, batched, *values):
        ranks = [jnp.ndim(value) - b for value, b in zip(values, batched, strict=True)]
        if any(b and 0 < rank < max(ranks) for b, rank in zip(batched, ranks, strict=True)):
            # A table of each device's own (nodes of a response, say) fits no larger array.
            out = jax.vmap(fn, [0 if b else None for b in batched], axis_size=size)(*values)
        else:
            out = wide(
                *(
                    value.reshape(size, *(1,) * (max(ranks) - rank), *value.shape[1:])
                    if b
                    else value
                    for value, b, rank in zip(values, batched, ranks, strict=True)
                )
            )
        return out, jax.tree.map(lambda _: True, out)

    return wide
