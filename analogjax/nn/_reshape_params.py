"""Parameters of a model for the same model with its kernels as matrices, or back."""

import jax

from analogjax.rules import leaf_name


def reshape_params(params, like):
    """The same numbers in the shapes of another tree with the same paths.

    Flax has the kernels of ``nn.DenseGeneral``, and so of attention, with an axis for each axis
    of inputs and features, an array has them as a matrix.

    Args:
      params: a parameter tree, of a checkpoint for example.
      like: arrays or shapes, as ``jax.eval_shape(model.init, key, x)["params"]`` gives them.

    Returns:
      A tree like ``like``.

    Raises:
      ValueError: if the trees differ in more than shapes.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from analogjax.nn import linen as ann
      >>> x = jnp.ones((1, 4, 6))
      >>> flax, ours = (module.MultiHeadAttention(num_heads=2) for module in (nn, ann))
      >>> params = flax.init(jax.random.key(0), x)["params"]
      >>> like = jax.eval_shape(ours.init, jax.random.key(0), x)["params"]
      >>> params["key"]["kernel"].shape, ann.reshape_params(params, like)["key"]["kernel"].shape
      ((6, 2, 3), (6, 6))
    """
    if _paths(params) != _paths(like):
        raise ValueError(
            f"The parameters have the paths {_paths(params)}, those they are reshaped for "
            f"{_paths(like)}: both must be of the same model."
        )

    def reshape(path, param, other):
        if param.size != other.size:
            raise ValueError(
                f"The parameter '{leaf_name(path)}' of shape {param.shape} cannot be reshaped to "
                f"{other.shape}: both must be of the same model."
            )
        return param.reshape(other.shape)

    return jax.tree_util.tree_map_with_path(reshape, params, like)


def _paths(tree) -> list[str]:
    return [leaf_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
