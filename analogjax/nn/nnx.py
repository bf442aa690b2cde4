"""NNX layers whose products are those of a crossbar and which give away their factors.

They are flax's own layers with another product and three arguments more: ``io``, ``io_backward``
and ``mapping``. :func:`convert` makes layers of a model analog that was written without them.
:func:`value_and_factors` is ``nnx.value_and_grad`` that gathers the factors (x, d) of every call of
a layer on the way.
"""

from analogjax.nn._nnx_array import ArrayScale as ArrayScale
from analogjax.nn._nnx_convert import convert as convert
from analogjax.nn._nnx_layers import Conv as Conv
from analogjax.nn._nnx_layers import Linear as Linear
from analogjax.nn._nnx_layers import LinearGeneral as LinearGeneral
from analogjax.nn._nnx_modules import GRUCell as GRUCell
from analogjax.nn._nnx_modules import LSTMCell as LSTMCell
from analogjax.nn._nnx_modules import MultiHeadAttention as MultiHeadAttention
from analogjax.nn._nnx_modules import SimpleCell as SimpleCell
from analogjax.nn._nnx_taps import Tap as Tap
from analogjax.nn._nnx_taps import value_and_factors as value_and_factors

__all__ = [
    "ArrayScale",
    "Conv",
    "GRUCell",
    "LSTMCell",
    "Linear",
    "LinearGeneral",
    "MultiHeadAttention",
    "SimpleCell",
    "Tap",
    "convert",
    "value_and_factors",
]
