"""What training would cost on hardware: digital storage, operations, time, energy and area.

:func:`update_cost` is the published estimate: of layers, found in a flax model by
:func:`layers_of`, under a rule such as :class:`ResidualLearning`, with the constants of a
:class:`Technology`. :func:`counted_cost` is the same with what a run has counted on its tiles.
Every rule is one file of formulas; docs/cost.md has them in a table, with the conventions.

To add a rule, write its ``tiles`` and its ``activity`` as a subclass of :class:`UpdateRule`, and
whichever formulas differ from the plain ones.
"""

from analogjax.cost._agad import Agad as Agad
from analogjax.cost._analog_sgd import AnalogSGD as AnalogSGD
from analogjax.cost._buffered_residual_learning import (
    BufferedResidualLearning as BufferedResidualLearning,
)
from analogjax.cost._chopped_tiki_taka import ChoppedTikiTaka as ChoppedTikiTaka
from analogjax.cost._cost import Cost as Cost
from analogjax.cost._cost import LayerCost as LayerCost
from analogjax.cost._counters import Counters as Counters
from analogjax.cost._counters import counters_of as counters_of
from analogjax.cost._layer import Layer as Layer
from analogjax.cost._mixed_precision import MixedPrecision as MixedPrecision
from analogjax.cost._model_layers import layers_of as layers_of
from analogjax.cost._model_layers import layers_of_nnx as layers_of_nnx
from analogjax.cost._model_layers import layers_of_params as layers_of_params
from analogjax.cost._pareto import pareto_front as pareto_front
from analogjax.cost._residual_learning import ResidualLearning as ResidualLearning
from analogjax.cost._residual_learning_v2 import ResidualLearningV2 as ResidualLearningV2
from analogjax.cost._technology import PUBLISHED as PUBLISHED
from analogjax.cost._technology import Technology as Technology
from analogjax.cost._technology import check_technology as check_technology
from analogjax.cost._technology_json import technology_from_json as technology_from_json
from analogjax.cost._technology_json import technology_to_json as technology_to_json
from analogjax.cost._tiki_taka import TikiTaka as TikiTaka
from analogjax.cost._tiki_taka_v2 import TikiTakaV2 as TikiTakaV2
from analogjax.cost._update_cost import counted_cost as counted_cost
from analogjax.cost._update_cost import update_cost as update_cost
from analogjax.cost._update_rule import Activity as Activity
from analogjax.cost._update_rule import PulsedRule as PulsedRule
from analogjax.cost._update_rule import Sizes as Sizes
from analogjax.cost._update_rule import UpdateRule as UpdateRule

__all__ = [
    "PUBLISHED",
    "Activity",
    "Agad",
    "AnalogSGD",
    "BufferedResidualLearning",
    "ChoppedTikiTaka",
    "Cost",
    "Counters",
    "Layer",
    "LayerCost",
    "MixedPrecision",
    "PulsedRule",
    "ResidualLearning",
    "ResidualLearningV2",
    "Sizes",
    "Technology",
    "TikiTaka",
    "TikiTakaV2",
    "UpdateRule",
    "check_technology",
    "counted_cost",
    "counters_of",
    "layers_of",
    "layers_of_nnx",
    "layers_of_params",
    "pareto_front",
    "technology_from_json",
    "technology_to_json",
    "update_cost",
]
