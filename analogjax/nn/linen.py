"""Linen layers whose products are those of a crossbar and which give away their factors.

The layers are flax's own with two arguments more, ``io`` and ``io_backward``. :func:`convert` makes
layers of a model analog that was written without them. :func:`taps` makes the zeros by which a loss
is differentiated to gather the factors (x, d) of every call of a layer in one backward pass.
"""

from analogjax.nn._linen_attention import MultiHeadAttention as MultiHeadAttention
from analogjax.nn._linen_attention import (
    MultiHeadDotProductAttention as MultiHeadDotProductAttention,
)
from analogjax.nn._linen_cells import GRUCell as GRUCell
from analogjax.nn._linen_cells import LSTMCell as LSTMCell
from analogjax.nn._linen_cells import SimpleCell as SimpleCell
from analogjax.nn._linen_convert import convert as convert
from analogjax.nn._linen_layers import Conv as Conv
from analogjax.nn._linen_layers import Dense as Dense
from analogjax.nn._linen_layers import DenseGeneral as DenseGeneral
from analogjax.nn._linen_taps import taps as taps
from analogjax.nn._linen_train_state import TrainState as TrainState
from analogjax.nn._reshape_params import reshape_params as reshape_params
