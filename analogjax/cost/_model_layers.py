"""The layers of a flax model, found while tracing: nothing of it runs."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
from flax import linen, nnx

from analogjax.cost._layer import Layer
from analogjax.nn import labels
from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx
from analogjax.pulses import Factors
from analogjax.rules import leaf_name


def layers_of(model: linen.Module, *inputs: Any, **kwargs: Any) -> tuple[Layer, ...]:
    """The analog layers of a linen model, on the arrays that its mapping puts them.

    Args:
      model: a linen model with layers of :mod:`analogjax.nn.linen`, made or converted.
      *inputs: its inputs, arrays or their shapes as ``jax.ShapeDtypeStruct``, samples first.
      **kwargs: further arguments of the model, such as ``train=True``.

    Returns:
      The layers, each with the number of vectors a sample sends to it, and whether errors go back
      through it: not where nothing before it learns.

    Raises:
      ValueError: if none of its layers is analog, or the inputs have no axis of samples.

    Example:
      >>> import jax
      >>> from analogjax.cost import layers_of
      >>> from analogjax.experiments import LeNet5
      >>> for layer in layers_of(LeNet5(), jax.ShapeDtypeStruct((1, 28, 28, 1), "float32")):
      ...     print(layer.name, layer.inputs, layer.outputs, layer.vectors, layer.backward)
      Conv_0/kernel 25 16 576 False
      Conv_1/kernel 400 32 64 True
      Dense_0/kernel 512 128 1 True
      Dense_1/kernel 128 10 1 True
    """
    key = jax.eval_shape(jax.random.key, 0)

    def init(key, inputs):
        return model.init({"params": key, "analog": key, "dropout": key}, *inputs, **kwargs)

    def factors_of(params, key, variables, inputs):
        rngs = {"analog": key, "dropout": key}
        variables = {"params": params, **variables}

        def total(taps):
            given = {**variables, "taps": taps}
            out, _ = model.apply(given, *inputs, rngs=rngs, mutable=["batch_stats"], **kwargs)
            return _total(out)

        return jax.grad(total)(ann.taps(model, variables, *inputs, rngs=rngs, **kwargs))

    variables = dict(jax.eval_shape(init, key, inputs))
    params = variables.pop("params", {})
    return _traced(factors_of, params, key, variables, inputs)


def layers_of_nnx(model: nnx.Module, *inputs: Any, **kwargs: Any) -> tuple[Layer, ...]:
    """The same for an NNX model, with layers of :mod:`analogjax.nn.nnx`.

    Args:
      model: the model, which stays as it is.
      *inputs: as for :func:`layers_of`.
      **kwargs: further arguments of the model.

    Returns:
      The layers, by the paths of their kernels.

    Raises:
      ValueError: if none of its layers is analog, or the inputs have no axis of samples.

    Example:
      >>> import jax
      >>> from flax import nnx
      >>> from analogjax.cost import layers_of_nnx
      >>> from analogjax.nn import nnx as ann
      >>> model = ann.Linear(4, 3, rngs=nnx.Rngs(0))
      >>> (layer,) = layers_of_nnx(model, jax.ShapeDtypeStruct((8, 4), "float32"))
      >>> layer.name, layer.inputs, layer.outputs, layer.vectors
      ('kernel', 4, 3, 1)
    """
    graph, params, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]

    def factors_of(params, rest, inputs):
        copy = nnx.merge(graph, params, rest, copy=True)
        loss = annx.value_and_factors(lambda model, *x: _total(model(*x, **kwargs)))
        return loss(copy, *inputs)[1][1]

    return _traced(factors_of, params, rest, inputs)


def layers_of_params(params: Any, param_labels: Callable[[Any], Any] = labels) -> tuple[Layer, ...]:
    """The layers by the shapes of their parameters alone, one vector pair a sample on each.

    What is left where a model has no layers of :mod:`analogjax.nn`, and trains on gradients alone.

    Args:
      params: a parameter tree, or the shapes of one.
      param_labels: from the parameters to a tree of "analog" and "digital".

    Raises:
      ValueError: if nothing is analog.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.cost import layers_of_params
      >>> params = {"Dense_0": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}}
      >>> [(layer.name, layer.inputs, layer.outputs) for layer in layers_of_params(params)]
      [('Dense_0/kernel', 3, 2)]
    """
    words = jax.tree.leaves(param_labels(params))
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    layers = [
        Layer(name=leaf_name(path), inputs=math.prod(leaf.shape[:-1]), outputs=leaf.shape[-1])
        for (path, leaf), word in zip(leaves, words, strict=True)
        if word == "analog"
    ]
    return _checked(layers)


def _total(out: Any) -> jax.Array:
    return functools.reduce(lambda a, b: a + b, [leaf.sum() for leaf in jax.tree.leaves(out)])


def _traced(factors_of: Callable, params: Any, *rest: Any) -> tuple[Layer, ...]:
    """The layers whose factors a function of parameters and more gives, the inputs last."""
    jaxpr, factors = jax.make_jaxpr(factors_of, return_shape=True)(params, *rest)
    learned = _reached(jaxpr.jaxpr, len(jax.tree.leaves(params)))
    given = jax.tree.leaves(rest[-1])[0].shape
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    shapes = {leaf_name(path): leaf.shape for path, leaf in leaves}
    uses = jax.tree_util.tree_flatten_with_path(factors, is_leaf=_is_pair)[0]
    found: dict[str, Layer] = {}
    for (path, (x, d)), backward in zip(uses, learned[::2], strict=True):
        name = leaf_name(path)
        name = name if name in shapes else name.rpartition("/")[0]  # One of several calls.
        groups = shapes[name][-1] // d.shape[-1]
        vectors, left = divmod(math.prod(x.shape[:-1]), groups * given[0])
        if x.ndim < 2 or left:
            raise ValueError(
                f"'{name}' was sent {x.shape}, no whole number of vectors for each of {given[0]} "
                f"samples: give inputs with the samples first, such as {(1, *given)}."
            )
        one = Layer(
            name=name,
            inputs=x.shape[-1],
            outputs=d.shape[-1],
            vectors=vectors,
            groups=groups,
            backward=backward,
        )
        found[name] = _added(found[name], one) if name in found else one
    return _checked([*found.values()])


def _is_pair(node) -> bool:
    return isinstance(node, Factors)


def _added(layer: Layer, again: Layer) -> Layer:
    """A layer that is used once more."""
    vectors, backward = layer.vectors + again.vectors, layer.backward or again.backward
    return dataclasses.replace(layer, vectors=vectors, backward=backward)


def _reached(jaxpr, count: int) -> list[bool]:
    """Which results of a trace depend on its first so many arguments."""
    reached = set(jaxpr.invars[:count])
    for equation in jaxpr.eqns:
        inputs = (v for v in equation.invars if not isinstance(v, jax.extend.core.Literal))
        if any(v in reached for v in inputs):
            reached.update(equation.outvars)
    outputs = jaxpr.outvars
    return [not isinstance(v, jax.extend.core.Literal) and v in reached for v in outputs]


def _checked(layers: list[Layer]) -> tuple[Layer, ...]:
    if not layers:
        raise ValueError(
            "No layer is analog: make the model of layers of analogjax.nn, or convert it with "
            "analogjax.nn.linen.convert or analogjax.nn.nnx.convert."
        )
    return tuple(layers)
