"""Reading and replacing a few lines of a matrix (its rows or its columns), in cyclic order."""

import jax
import jax.numpy as jnp
from jax import lax


def take_lines(tree, first, lines: int, axis: int = 0):
    """Some lines from number ``first`` on, past the end again from the start, of every matrix.

    Args:
      tree: pytree whose leaves have shape ``(in, out)``, or other ranks, which stay as they are.
      first: int32 number of the first line, at least 0 and below the length of the axis.
      lines: how many, at most the length of the axis.
      axis: 0 for input lines (rows), 1 for output lines (columns).

    Returns:
      The same pytree, its matrices of shape ``(lines, out)``, or ``(lines, in)`` for axis 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.tiles import take_lines
      >>> take_lines(jnp.array([[1, 2], [3, 4], [5, 6]]), 2, 2).tolist()
      [[5, 6], [1, 2]]
    """

    def take(matrix):
        if jnp.ndim(matrix) != 2:
            return matrix
        if lines == 1:  # A slice is several times cheaper than a gather.
            part = lax.dynamic_slice_in_dim(matrix, first, 1, axis)
        else:
            part = jnp.take(matrix, _cyclic(matrix, first, lines, axis), axis, mode="clip")
        return part.T if axis else part

    return jax.tree.map(take, tree)


def put_lines(matrix: jax.Array, first, values: jax.Array, axis: int = 0) -> jax.Array:
    """The matrix with the lines that :func:`take_lines` gives replaced by ``values``.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.tiles import put_lines
      >>> put_lines(jnp.zeros((3, 2), int), 2, jnp.array([[5, 6], [1, 2]])).tolist()
      [[1, 2], [0, 0], [5, 6]]
    """
    lines = values.shape[0]
    values = values.T if axis else values
    if lines == 1:
        return lax.dynamic_update_slice_in_dim(matrix, values, first, axis)
    at = _cyclic(matrix, first, lines, axis)
    where = matrix.at[:, at] if axis else matrix.at[at]
    return where.set(values, mode="promise_in_bounds", unique_indices=True)


def pick(number, trees):
    """That of some trees of the same shapes with a number, int32, which may be traced.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.tiles import pick
      >>> jax.jit(pick)(1, [{"w": jnp.zeros(2)}, {"w": jnp.ones(2)}])["w"].tolist()
      [1.0, 1.0]
    """
    if len(trees) == 1:
        return trees[0]
    return jax.tree.map(lambda *leaves: lax.select_n(number, *map(jnp.asarray, leaves)), *trees)


def _cyclic(matrix, first, lines, axis):
    return (first + jnp.arange(lines)) % matrix.shape[axis]
