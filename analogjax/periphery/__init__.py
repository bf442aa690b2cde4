"""What converters and wires do to a read: the analog matrix-vector product.

:func:`mvm` is ``x @ w`` as an array gives it, through the converters of an :class:`AnalogIO`. Each
effect is one pure function in a file of its own; to add one, write it, call it where it happens
(``_input``, ``_lines``, ``_output``), and skip it where its number is known to be zero.
"""

from analogjax.periphery._analog_io import AnalogIO as AnalogIO
from analogjax.periphery._check import check_io as check_io
from analogjax.periphery._mvm import mvm as mvm
from analogjax.periphery._product import matrix_product as matrix_product
from analogjax.periphery._running_abs_max import running_abs_max as running_abs_max

__all__ = ["AnalogIO", "check_io", "matrix_product", "mvm", "running_abs_max"]
