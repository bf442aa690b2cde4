"""What ``vmap`` makes of loops over the pulses of an array."""

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
    return _with_rule(fn, _widened)


def one_by_one(fn):
    """Makes ``vmap`` call ``fn`` for each element of a batch in turn.

    A batched loop runs until its longest element is done and copies the state of the others at
    every pass. Where a pass touches few places of a large state, that costs more than all the
    elements one after another.

    Args:
      fn: function of pytrees of arrays and scalars.

    Returns:
      The same function.
    """
    return _with_rule(fn, _in_turn)


def _with_rule(fn, rule):
    """``fn`` with a batching rule for its arrays; numbers that are known stay so."""

    @functools.wraps(fn)
    def call(*args):
        leaves, treedef = jax.tree.flatten(args)
        # What is known to be zero is not computed.
        given = [
            isinstance(leaf, jax.core.Tracer) or getattr(leaf, "ndim", 0) > 0 for leaf in leaves
        ]

        # Without the others, which are tracers that this would keep.
        known = [None if g else leaf for g, leaf in zip(given, leaves, strict=True)]

        def on_given(*values):
            rest = iter(values)
            full = [next(rest) if g else leaf for g, leaf in zip(given, known, strict=True)]
            return fn(*jax.tree.unflatten(treedef, full))

        values = [leaf for g, leaf in zip(given, leaves, strict=True) if g]
        ruled = jax.custom_batching.custom_vmap(on_given)
        ruled.def_vmap(functools.partial(rule, ruled))
        return ruled(*values)

    return call


def _in_turn(fn, size, batched, *values):
    """The elements of a batch one after another."""

    def one(own):
        rest = iter(own)
        return fn(*(next(rest) if b else value for b, value in zip(batched, values, strict=True)))

    out = jax.lax.map(one, tuple(v for b, v in zip(batched, values, strict=True) if b))
    return out, jax.tree.map(lambda _: True, out)


def _widened(fn, size, batched, *values):
    """All elements of a batch as one larger array."""
    ranks = [jnp.ndim(value) - b for value, b in zip(values, batched, strict=True)]
    if any(b and 0 < rank < max(ranks) for b, rank in zip(batched, ranks, strict=True)):
        # A table of each device's own (nodes of a response, say) fits no larger array.
        axes = [0 if b else None for b in batched]
        out = jax.vmap(fn.fun, axes, axis_size=size)(*values)
    else:
        out = fn(
            *(
                value.reshape(size, *(1,) * (max(ranks) - rank), *value.shape[1:]) if b else value
                for value, b, rank in zip(values, batched, ranks, strict=True)
            )
        )
    return out, jax.tree.map(lambda _: True, out)
