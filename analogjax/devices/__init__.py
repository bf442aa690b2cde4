"""One crosspoint: how a pulse moves its weight.

A device is a frozen dataclass of means and spreads. ``sample`` draws the constants of every
crosspoint of an array once; ``apply_pulse`` moves them by one pulse; ``response`` gives the mean
response factors q+ and q-. Devices know nothing of tiles, gradients or optimizers.

To try a response, give its two functions to :class:`ResponseFunctions`. To add a device, subclass
:class:`PulsedDevice` as a registered frozen dataclass and write ``steps``, the sizes of the next up
and the next down pulse. It then works with every pulse scheme and every rule.

:func:`fit` estimates a device's fields from measured curves.
"""

from analogjax.devices._ageing import Ageing as Ageing
from analogjax.devices._cells import AnyCells as AnyCells
from analogjax.devices._cells import Cells as Cells
from analogjax.devices._cells import is_concrete as is_concrete
from analogjax.devices._cells import is_zero as is_zero
from analogjax.devices._cells import ratio as ratio
from analogjax.devices._check import check_at_least_0 as check_at_least_0
from analogjax.devices._check import check_count as check_count
from analogjax.devices._check import check_device as check_device
from analogjax.devices._check import check_number as check_number
from analogjax.devices._check import check_positive as check_positive
from analogjax.devices._check import check_real as check_real
from analogjax.devices._check import of_one_array as of_one_array
from analogjax.devices._constant_step import ConstantStep as ConstantStep
from analogjax.devices._device import Device as Device
from analogjax.devices._draws import draw_normal as draw_normal
from analogjax.devices._draws import draw_uniform as draw_uniform
from analogjax.devices._drift import PowerLawDrift as PowerLawDrift
from analogjax.devices._exp_step import ExpStep as ExpStep
from analogjax.devices._fit import fit as fit
from analogjax.devices._fit_report import FitReport as FitReport
from analogjax.devices._frozen import Frozen as Frozen
from analogjax.devices._ideal import Ideal as Ideal
from analogjax.devices._linear_step import LinearStep as LinearStep
from analogjax.devices._one_sided_pair import OneSidedPair as OneSidedPair
from analogjax.devices._piecewise_step import PiecewiseStep as PiecewiseStep
from analogjax.devices._pow_step import PowStep as PowStep
from analogjax.devices._pow_step_reference import PowStepReference as PowStepReference
from analogjax.devices._pulsed import PulsedDevice as PulsedDevice
from analogjax.devices._reference_pair import ReferencePair as ReferencePair
from analogjax.devices._response_functions import ResponseFunctions as ResponseFunctions
from analogjax.devices._response_functions import exponential_response as exponential_response
from analogjax.devices._response_functions import power_response as power_response
from analogjax.devices._soft_bounds import SoftBounds as SoftBounds
from analogjax.devices._soft_bounds_reference import SoftBoundsReference as SoftBoundsReference
from analogjax.devices._unit_cell import Pair as Pair
from analogjax.devices._unit_cell import UnitCell as UnitCell
from analogjax.devices._vector_cell import Conductances as Conductances
from analogjax.devices._vector_cell import VectorCell as VectorCell

__all__ = [
    "Ageing",
    "Cells",
    "Conductances",
    "ConstantStep",
    "Device",
    "ExpStep",
    "FitReport",
    "Frozen",
    "Ideal",
    "LinearStep",
    "OneSidedPair",
    "Pair",
    "PiecewiseStep",
    "PowStep",
    "PowStepReference",
    "PowerLawDrift",
    "PulsedDevice",
    "ReferencePair",
    "ResponseFunctions",
    "SoftBounds",
    "SoftBoundsReference",
    "UnitCell",
    "VectorCell",
    "check_at_least_0",
    "check_device",
    "check_positive",
    "exponential_response",
    "fit",
    "power_response",
]
