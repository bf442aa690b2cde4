"""Update rules, as ordinary optax gradient transformations.

Each factory takes a learning rate, a device and a key, and returns an
``optax.GradientTransformationExtraArgs`` for weight matrices; give everything else to a digital
optimizer with ``optax.partition`` and :func:`analogjax.nn.labels`.

To add a rule, write the three methods of :class:`MatrixRule` for one matrix (``init``, ``step``,
``effective``) and hand it to :func:`analog_transformation`; docs/rules.md walks through one.
"""

from analogjax.rules._agad import AgadState as AgadState
from analogjax.rules._agad import agad as agad
from analogjax.rules._analog_sgd import analog_sgd as analog_sgd
from analogjax.rules._base import AnalogState as AnalogState
from analogjax.rules._base import MatrixRule as MatrixRule
from analogjax.rules._base import analog_transformation as analog_transformation
from analogjax.rules._buffered import BufferedState as BufferedState
from analogjax.rules._buffered_residual_learning import (
    buffered_residual_learning as buffered_residual_learning,
)
from analogjax.rules._by_path import by_path as by_path
from analogjax.rules._check_factors import check_factors as check_factors
from analogjax.rules._chopped_tiki_taka import ChoppedState as ChoppedState
from analogjax.rules._chopped_tiki_taka import chopped_tiki_taka as chopped_tiki_taka
from analogjax.rules._mixed_precision import MixedPrecisionState as MixedPrecisionState
from analogjax.rules._mixed_precision import mixed_precision as mixed_precision
from analogjax.rules._nodes import nodes_of as nodes_of
from analogjax.rules._nodes import tile_stacks as tile_stacks
from analogjax.rules._paths import layer_leaf_name as layer_leaf_name
from analogjax.rules._paths import leaf_address as leaf_address
from analogjax.rules._paths import leaf_name as leaf_name
from analogjax.rules._readout import Readout as Readout
from analogjax.rules._reprogram import reprogram as reprogram
from analogjax.rules._residual_learning import Source as Source
from analogjax.rules._residual_learning import residual_learning as residual_learning
from analogjax.rules._residual_learning_v2 import residual_learning_v2 as residual_learning_v2
from analogjax.rules._shardings import shardings as shardings
from analogjax.rules._signal import Signal as Signal
from analogjax.rules._tiki_taka import tiki_taka as tiki_taka
from analogjax.rules._tiki_taka_v2 import tiki_taka_v2 as tiki_taka_v2
from analogjax.rules._transfer_chain import TransferChain as TransferChain
from analogjax.rules._warm_start import Plateau as Plateau
from analogjax.rules._warm_start import PlateauState as PlateauState
from analogjax.rules._warm_start import Stages as Stages
from analogjax.rules._warm_start import WarmStart as WarmStart

__all__ = [
    "AgadState",
    "AnalogState",
    "BufferedState",
    "ChoppedState",
    "MatrixRule",
    "MixedPrecisionState",
    "Plateau",
    "PlateauState",
    "Readout",
    "Signal",
    "Stages",
    "TransferChain",
    "WarmStart",
    "agad",
    "analog_sgd",
    "analog_transformation",
    "buffered_residual_learning",
    "by_path",
    "check_factors",
    "chopped_tiki_taka",
    "layer_leaf_name",
    "leaf_address",
    "leaf_name",
    "mixed_precision",
    "nodes_of",
    "reprogram",
    "residual_learning",
    "residual_learning_v2",
    "shardings",
    "tiki_taka",
    "tiki_taka_v2",
    "tile_stacks",
]
