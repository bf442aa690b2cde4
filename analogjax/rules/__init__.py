"""Update rules, as ordinary optax gradient transformations.

Each factory takes a learning rate, a device and a key, and returns an
``optax.GradientTransformationExtraArgs`` for weight matrices; give everything else to a digital
optimizer with ``optax.partition`` and :func:`analogjax.nn.labels`.

To add a rule, write the three methods of :class:`MatrixRule` for one matrix (``init``, ``step``,
``effective``) and hand it to :func:`analog_transformation`.
"""

from analogjax.rules._analog_sgd import analog_sgd as analog_sgd
from analogjax.rules._base import AnalogState as AnalogState
from analogjax.rules._base import MatrixRule as MatrixRule
from analogjax.rules._base import analog_transformation as analog_transformation
from analogjax.rules._mixed_precision import MixedPrecisionState as MixedPrecisionState
from analogjax.rules._mixed_precision import mixed_precision as mixed_precision
from analogjax.rules._paths import leaf_name as leaf_name
from analogjax.rules._residual_learning import residual_learning as residual_learning
from analogjax.rules._signal import Signal as Signal
from analogjax.rules._tiki_taka import tiki_taka as tiki_taka
from analogjax.rules._transfer_chain import TransferChain as TransferChain
from analogjax.rules._warm_start import Plateau as Plateau
from analogjax.rules._warm_start import PlateauState as PlateauState
from analogjax.rules._warm_start import Stages as Stages
from analogjax.rules._warm_start import WarmStart as WarmStart

__all__ = [
    "AnalogState",
    "MatrixRule",
    "MixedPrecisionState",
    "Plateau",
    "PlateauState",
    "Signal",
    "Stages",
    "TransferChain",
    "WarmStart",
    "analog_sgd",
    "analog_transformation",
    "leaf_name",
    "mixed_precision",
    "residual_learning",
    "tiki_taka",
]
