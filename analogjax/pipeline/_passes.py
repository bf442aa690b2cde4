"""One pass through a stage: forward, backward and the update."""

from typing import Any

import jax
import optax
from flax import linen as nn

from analogjax.nn import linen as ann
from analogjax.pipeline._stage import Stage

Tree = Any


def forward(
    stage: Stage, params: Tree, variables: Tree, x: jax.Array, key: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """The outputs of a stage, and what it keeps for the way back: the input of each layer.

    Args:
      stage: the stage.
      params: its parameters.
      variables: its other collections.
      x: its inputs, ``(batch, ...)``.
      key: PRNG key of the noise of the reads.
    """
    kept = []
    for place in stage.layers:
        kept.append(x)
        x = _layer(stage.model, place, {"params": params, **variables}, x, key)
    return x, tuple(kept)


def backward(
    stage: Stage,
    params: Tree,
    variables: Tree,
    kept: tuple[jax.Array, ...],
    error: jax.Array,
    key: jax.Array,
) -> tuple[Tree, Tree, jax.Array]:
    """Gradients and factors of the parameters of a stage, and the errors at its inputs.

    Each layer is linearised at the input it had in the forward pass, with the weights it has now.
    For a product that means errors times the weights of the moment and pulses of the old inputs,
    for an activation its slope at the old input: what an array does that keeps activations but
    no weights. Nothing is computed again.

    Args:
      stage: the stage.
      params: its parameters of the moment.
      variables: its other collections.
      kept: the input of each layer in the forward pass.
      error: derivative of the loss by the outputs of the stage.
      key: PRNG key of the noise of the reads.
    """
    gradients: dict[str, Tree] = {}
    factors: dict[str, Tree] = {}
    for place, x in zip(reversed(stage.layers), reversed(kept), strict=True):
        name = f"layers_{place}"
        own = {name: params[name]} if name in params else {}

        def run(own, taps, x, place=place):
            return _layer(stage.model, place, {"params": own, "taps": taps, **variables}, x, key)

        taps = ann.taps(stage.model, {"params": own, **variables}, x, method=_only(place))
        _, pull_back = jax.vjp(run, own, taps, x)
        gradient, pairs, error = pull_back(error)
        gradients |= gradient
        factors |= pairs
    return gradients, factors, error


def update(
    rule: optax.GradientTransformationExtraArgs,
    params: Tree,
    opt_state: Tree,
    gradients: Tree,
    factors: Tree,
    value: jax.Array,
) -> tuple[Tree, Tree]:
    """The parameters of a stage and the state of its rule after a mini-batch."""
    updates, opt_state = rule.update(gradients, opt_state, params, value=value, factors=factors)
    return optax.apply_updates(params, updates), opt_state


def _layer(model: nn.Sequential, place: int, variables: Tree, x: jax.Array, key) -> Any:
    """One layer, called within the model so that its noise is that of the whole model."""
    return model.apply(variables, x, rngs={"analog": key}, method=_only(place))


def _only(place: int):
    return lambda model, x: model.layers[place](x)
