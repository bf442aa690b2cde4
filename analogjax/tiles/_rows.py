"""Reading and replacing a few rows (input lines) of a matrix, in cyclic order."""

import jax
import jax.numpy as jnp
from jax import lax


def take_rows(tree, first, rows: int):
    """``rows`` rows from ``first`` on, past the end again from the start, of every matrix.

    Args:
      tree: pytree whose leaves have shape ``(in, out)``, or are scalars, which stay as they are.
      first: int32 number of the first row, in [0, in).
      rows: how many, at most ``in``.

    Returns:
      The same pytree, its matrices of shape ``(rows, out)``.
    """

    def take(matrix):
        if jnp.ndim(matrix) != 2:
            return matrix
        if rows == 1:  # A slice is several times cheaper than a gather.
            return lax.dynamic_slice_in_dim(matrix, first, 1)
        return matrix.at[_cyclic(matrix, first, rows)].get(mode="promise_in_bounds")

    return jax.tree.map(take, tree)


def put_rows(matrix: jax.Array, first, values: jax.Array) -> jax.Array:
    """The matrix with the rows that :func:`take_rows` gives replaced by ``values``."""
    if values.shape[0] == 1:
        return lax.dynamic_update_slice_in_dim(matrix, values, first, 0)
    rows = _cyclic(matrix, first, values.shape[0])
    return matrix.at[rows].set(values, mode="promise_in_bounds", unique_indices=True)


def _cyclic(matrix, first, rows):
    return (first + jnp.arange(rows)) % matrix.shape[0]
