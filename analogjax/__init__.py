"""Training neural networks on analog in-memory hardware, simulated pulse by pulse.

Layers, each of which knows only those before it: :mod:`analogjax.devices` (one crosspoint),
:mod:`analogjax.pulses` (a wanted change becomes pulses), :mod:`analogjax.tiles` (arrays and stacks
of them), :mod:`analogjax.periphery` (what converters and wires do to a read), the update rules
below (optax transformations), :mod:`analogjax.nn` (flax layers), :mod:`analogjax.pipeline` (stages
that work on different samples at once) and :mod:`analogjax.experiments` (data, loops, the command
line).
"""

from analogjax._version import __version__ as __version__
from analogjax.rules import AnalogState as AnalogState
from analogjax.rules import Plateau as Plateau
from analogjax.rules import Stages as Stages
from analogjax.rules import agad as agad
from analogjax.rules import analog_sgd as analog_sgd
from analogjax.rules import buffered_residual_learning as buffered_residual_learning
from analogjax.rules import by_path as by_path
from analogjax.rules import chopped_tiki_taka as chopped_tiki_taka
from analogjax.rules import mixed_precision as mixed_precision
from analogjax.rules import reprogram as reprogram
from analogjax.rules import residual_learning as residual_learning
from analogjax.rules import residual_learning_v2 as residual_learning_v2
from analogjax.rules import shardings as shardings
from analogjax.rules import tiki_taka as tiki_taka
from analogjax.rules import tiki_taka_v2 as tiki_taka_v2

__all__ = [
    "AnalogState",
    "Plateau",
    "Stages",
    "__version__",
    "agad",
    "analog_sgd",
    "buffered_residual_learning",
    "by_path",
    "chopped_tiki_taka",
    "mixed_precision",
    "reprogram",
    "residual_learning",
    "residual_learning_v2",
    "shardings",
    "tiki_taka",
    "tiki_taka_v2",
]
