"""One crosspoint: how a pulse moves its weight.

A device is a frozen dataclass of means and spreads. ``sample`` draws the constants of every
crosspoint of an array once; ``apply_pulse`` moves them by one pulse; ``response`` gives the mean
response factors q+ and q-. Devices know nothing of tiles, gradients or optimizers.

To add a device, subclass :class:`PulsedDevice` as a registered frozen dataclass and write
``steps``, the sizes of the next up and the next down pulse. It then works with every pulse scheme
and every rule.
"""

from analogjax.devices._cells import Cells as Cells
from analogjax.devices._cells import is_concrete as is_concrete
from analogjax.devices._cells import is_zero as is_zero
from analogjax.devices._check import check_device as check_device
from analogjax.devices._constant_step import ConstantStep as ConstantStep
from analogjax.devices._pulsed import PulsedDevice as PulsedDevice
from analogjax.devices._soft_bounds import SoftBounds as SoftBounds

__all__ = ["Cells", "ConstantStep", "PulsedDevice", "SoftBounds", "check_device"]
