"""A tree of arrays as one vector of words, so that devices with different trees run one program."""

import math
from typing import Any

import jax
import jax.numpy as jnp

Tree = Any


def words_needed(like: Tree) -> int:
    """The length of the vector of such a tree."""
    return sum(math.prod(_data_shape(leaf)) for leaf in jax.tree.leaves(like))


def pack(tree: Tree, size: int) -> jax.Array:
    """All leaves bit by bit, one after another, and zeros up to ``size``; uint32."""
    parts = [_to_words(leaf).ravel() for leaf in jax.tree.leaves(tree)]
    words = jnp.concatenate(parts) if parts else jnp.zeros(0, jnp.uint32)
    return jnp.pad(words, (0, size - words.size))


def unpack(words: jax.Array, like: Tree) -> Tree:
    """The tree whose leaves were packed, of the shapes and types of those of another."""
    leaves, first = [], 0
    for leaf in jax.tree.leaves(like):
        shape = _data_shape(leaf)
        last = first + math.prod(shape)
        leaves.append(_from_words(words[first:last].reshape(shape), leaf))
        first = last
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _is_key(leaf) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _data_shape(leaf) -> tuple[int, ...]:
    if _is_key(leaf):
        return jax.eval_shape(jax.random.key_data, leaf).shape
    if leaf.dtype.itemsize > 4:
        raise ValueError(
            f"A pipeline over devices takes numbers of up to 32 bits, got {leaf.dtype}."
        )
    return leaf.shape


def _wide(dtype) -> Any:
    """The type of 32 bits that holds all values of a type."""
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.float32
    return jnp.uint32 if jnp.issubdtype(dtype, jnp.unsignedinteger) else jnp.int32


def _to_words(leaf: jax.Array) -> jax.Array:
    if _is_key(leaf):
        return jax.random.key_data(leaf)
    return jax.lax.bitcast_convert_type(leaf.astype(_wide(leaf.dtype)), jnp.uint32)


def _from_words(words: jax.Array, leaf) -> jax.Array:
    if _is_key(leaf):
        return jax.random.wrap_key_data(words, impl=jax.random.key_impl(leaf))
    return jax.lax.bitcast_convert_type(words, _wide(leaf.dtype)).astype(leaf.dtype)
