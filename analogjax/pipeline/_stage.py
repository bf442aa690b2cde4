"""A flax model cut into the stages of a pipeline."""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise

from flax import linen as nn

from analogjax.nn import linen as ann
from analogjax.pipeline._whole import check_whole

# By the method, which a subclass that computes something else has not.
_PRODUCTS = {
    kind.__call__
    for kind in (nn.Dense, nn.DenseGeneral, nn.Conv, ann.Dense, ann.DenseGeneral, ann.Conv)
}


@dataclasses.dataclass(frozen=True)
class Stage:
    """Some layers of a model that follow each other; made by :func:`cut`.

    Attributes:
      model: the whole model.
      layers: places of its layers, ascending.
    """

    model: nn.Sequential
    layers: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What the model calls the parameters of its layers."""
        return tuple(
            f"layers_{n}" for n in self.layers if isinstance(self.model.layers[n], nn.Module)
        )

    @property
    def title(self) -> str:
        """The kinds of its layers, for messages."""
        return ", ".join(_kind(self.model.layers[n]) for n in self.layers)


def cut(model: nn.Sequential, stages: int) -> tuple[Stage, ...]:
    """Cuts a model into stages of about as many weight layers each.

    A stage begins at a layer with weights and has all functions that follow it: activations,
    pooling, reshapes. Where the numbers do not come out even, the first stages have one layer more.

    Args:
      model: an ``nn.Sequential`` of dense layers and convolutions, of flax or of
        :mod:`analogjax.nn.linen`, and of functions without parameters. Arrays need those of
        :mod:`analogjax.nn.linen`, which hand out the factors that pulses are made of.
      stages: how many.

    Returns:
      The stages.

    Raises:
      TypeError: if the model is no ``nn.Sequential``, or a layer cannot be one of a pipeline.
      ValueError: if there are more stages than layers with weights, or a layer has a learned scale
        of its outputs.

    Example:
      >>> from flax import linen as nn
      >>> from analogjax.nn import linen as ann
      >>> from analogjax.pipeline import cut
      >>> layers = [ann.Dense(8), nn.tanh, ann.Dense(8), nn.tanh, ann.Dense(2)]
      >>> [stage.layers for stage in cut(nn.Sequential(layers), 2)]
      [(0, 1, 2, 3), (4,)]
    """
    if not isinstance(model, nn.Sequential):
        raise TypeError(
            f"A model is cut between the layers of an nn.Sequential, got {type(model).__name__}: "
            f"write it as one."
        )
    for place, layer in enumerate(model.layers):
        _check_layer(place, layer)
    _check_each_once(model)
    weighted = [n for n, layer in enumerate(model.layers) if isinstance(layer, nn.Module)]
    check_whole("stages", stages)
    if stages > len(weighted):
        raise ValueError(
            f"The model has {len(weighted)} layers with weights and cannot be cut into {stages} "
            f"stages: each needs one."
        )
    each, more = divmod(len(weighted), stages)
    firsts = [weighted[stage * each + min(stage, more)] for stage in range(1, stages)]
    bounds = [0, *firsts, len(model.layers)]
    return tuple(Stage(model, tuple(range(first, last))) for first, last in pairwise(bounds))


def _check_each_once(model: nn.Sequential) -> None:
    """Raises a ValueError if a layer with weights is in two places."""
    places: dict[int, int] = {}
    for place, layer in enumerate(model.layers):
        if isinstance(layer, nn.Module) and places.setdefault(id(layer), place) != place:
            raise ValueError(
                f"Layers {places[id(layer)]} and {place} are one {type(layer).__name__}, whose "
                f"weights two stages would share: give each place a layer of its own."
            )


def check_stages(stages: Sequence[Stage]) -> None:
    """Raises an error if these are not all stages of one model, each once and in order."""
    for stage in stages:
        if not isinstance(stage, Stage):
            raise TypeError(f"stages must be those of cut, got {type(stage).__name__}.")
    layers = [place for stage in stages for place in stage.layers]
    models = {id(stage.model) for stage in stages}
    if len(models) != 1 or layers != [*range(len(stages[0].model.layers))]:
        raise ValueError(
            f"stages must be all those of one model, each once and in order, as cut gives them: "
            f"got {len(stages)}, of {len(models)} models, with the layers {layers}."
        )


def _kind(layer) -> str:
    return type(layer).__name__ if isinstance(layer, nn.Module) else getattr(layer, "__name__", "?")


def _check_layer(place: int, layer) -> None:
    """Raises an error for a layer that is no product with weights and no function."""
    if not isinstance(layer, nn.Module):
        if not callable(layer):
            raise TypeError(f"Layer {place} cannot be called: {layer!r}.")
        return
    if type(layer).__call__ not in _PRODUCTS or isinstance(layer, nn.ConvLocal):
        raise TypeError(
            f"Layer {place} is a {type(layer).__name__}, which a pipeline does not support: it "
            f"passes errors back through the weights of the moment, which is defined for products "
            f"(Dense, DenseGeneral, Conv) and for functions without parameters."
        )
    mapping = getattr(layer, "mapping", None)
    if mapping is not None and mapping.learn_out_scaling:
        raise ValueError(
            f"Layer {place} has a learned scale of its outputs, whose gradient needs the product "
            f"of the forward pass: leave out learn_out_scaling in a pipeline."
        )
