"""Variables of a flax model for the same model on arrays, and back."""

import math
import re
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
from flax import core
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from analogjax.nn._linen_array import GIVEN
from analogjax.nn._linen_taps import bound
from analogjax.rules import layer_leaf_name

Flat = dict[str, Any]


def from_flax(model: nn.Module, variables, *args, rngs=None, method=None, **kwargs):
    """The variables of a model on arrays that holds the weights of a flax model.

    Kernels of ``nn.DenseGeneral``, thus of attention, become matrices, and those of mapped layers
    are taken apart and scaled as if they were initial weights (see :class:`analogjax.nn.Mapping`).
    Everything else stays as it is.

    Args:
      model: the model on arrays.
      variables: those of the flax model, ``{"params": ...}`` and whatever else it has.
      *args: inputs, as for ``init``.
      rngs: streams that the model needs beside "params", by their names.
      method: as for ``init``.
      **kwargs: further arguments of the model.

    Returns:
      What ``model.init`` would give, with the given weights.

    Raises:
      ValueError: if the parameters are not those of the model.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from analogjax.nn import Mapping
      >>> from analogjax.nn import linen as ann
      >>> x, model = jnp.ones((1, 4)), ann.Dense(3, mapping=Mapping(max_input_size=2))
      >>> trained = nn.Dense(3).init(jax.random.key(0), x)
      >>> variables = ann.from_flax(model, trained, x)
      >>> array = variables["params"]["array_1_0"]["kernel"]
      >>> (array == trained["params"]["kernel"][2:]).all().item()
      True
    """
    streams = {"params": jax.random.key(0), **(rngs or {})}  # What it draws is not used.

    def run(params: Flat):
        given = _Given(params)

        def call(scope):
            return bound(model, scope, method)(*args, **kwargs)

        flags = {GIVEN: given, "initializing": True}
        made = core.init(call, nn.DenyList("intermediates"), flags)(streams)[1]
        return {**made, "params": given.merge(flatten_dict(made["params"], sep="/"))}

    made = jax.jit(run)(flatten_dict(variables["params"], sep="/"))
    return {**made, **variables, "params": unflatten_dict(made["params"], sep="/")}


def to_flax(variables, like):
    """The parameters of a flax model from the variables of the same model on arrays.

    Args:
      variables: those of the model on arrays.
      like: parameters of the flax model or their shapes, as
        ``jax.eval_shape(flax_model.init, key, x)["params"]`` gives them.

    Returns:
      A tree like ``like``; the weights of arrays are put together, with their scales.

    Raises:
      ValueError: if the parameters are not those of the model.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from analogjax.nn import linen as ann
      >>> x = jnp.ones((1, 4, 6))
      >>> flax, ours = (module.MultiHeadAttention(num_heads=2) for module in (nn, ann))
      >>> like = jax.eval_shape(flax.init, jax.random.key(0), x)["params"]
      >>> variables = ours.init(jax.random.key(0), x)
      >>> variables["params"]["key"]["kernel"].shape
      (6, 6)
      >>> ann.to_flax(variables, like)["key"]["kernel"].shape
      (6, 2, 3)
    """
    params = flatten_dict(variables["params"], sep="/")
    scales = flatten_dict(variables.get("mapping", {}), sep="/")
    shapes = flatten_dict(like, sep="/")
    whole: Flat = {name: leaf for name, leaf in params.items() if layer_leaf_name(name) == name}
    for layer in dict.fromkeys(layer_leaf_name(name) for name in params if name not in whole):
        if layer.rpartition("/")[2] == "kernel" and layer in shapes:
            whole |= _layer_leaves(layer, _join(layer, params, scales), shapes[layer])
    _check_names(whole, shapes)
    leaves = {name: _reshaped(name, whole[name], shape.shape) for name, shape in shapes.items()}
    return unflatten_dict(leaves, sep="/")


class _Given:
    """Parameters of a flax model, handed to the layers of one on arrays."""

    def __init__(self, params: Flat):
        self._params = params
        self._taken: set[str] = set()

    def take(self, path: Iterable[str], shape: tuple[int, ...]) -> jax.Array:
        """That of a mapped layer, in the shape it wants."""
        name = "/".join(path)
        if name not in self._params:
            raise ValueError(
                f"The parameters have no '{name}', only {sorted(self._params)}: both must be of "
                f"the same model."
            )
        self._taken.add(name)
        return _reshaped(name, self._params[name], shape)

    def merge(self, made: Flat) -> Flat:
        """The parameters that the model has made, all others replaced by those given."""
        own = {name for name in made if layer_leaf_name(name) != name}
        given = {name: p for name, p in self._params.items() if name not in self._taken}
        _check_names(given, {name: p for name, p in made.items() if name not in own})
        return {
            name: p if name in own else _reshaped(name, given[name], p.shape)
            for name, p in made.items()
        }


def _join(layer: str, params: Flat, scales: Flat) -> jax.Array:
    """The whole matrix of the arrays of a layer."""
    prefix = layer.removesuffix("kernel")
    pattern = re.compile(re.escape(prefix) + r"array_(\d+)_(\d+)/kernel")
    rows: dict[int, dict[int, jax.Array]] = {}
    for name, kernel in params.items():
        if match := pattern.fullmatch(name):
            i, j = map(int, match.groups())
            array = name.removesuffix("kernel")
            scale = scales.get(f"{array}scale", 1.0) * params.get(f"{array}out_scale", 1.0)
            rows.setdefault(i, {})[j] = scale * kernel
    return jnp.block([[rows[i][j] for j in sorted(rows[i])] for i in sorted(rows)])


def _layer_leaves(name: str, matrix: jax.Array, kernel) -> Flat:
    """The kernel of a layer, and its bias if that is the last line of its matrix."""
    inputs = kernel.size // matrix.shape[1]
    leaves = {name: matrix[:inputs]}
    if matrix.shape[0] == inputs + 1:
        leaves[name.removesuffix("kernel") + "bias"] = matrix[inputs]
    return leaves


def _check_names(ours: Iterable[str], theirs: Iterable[str]) -> None:
    if set(ours) != set(theirs):
        raise ValueError(
            f"Only one of the models has the parameters {sorted(set(ours) ^ set(theirs))}: both "
            f"must be of the same model."
        )


def _reshaped(name: str, param, shape: tuple[int, ...]):
    if param.size != math.prod(shape):
        raise ValueError(
            f"The parameter '{name}' of shape {param.shape} cannot be reshaped to {shape}: both "
            f"must be of the same model."
        )
    return param.reshape(shape)
