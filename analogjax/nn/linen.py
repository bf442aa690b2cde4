"""Linen layers whose products are those of a crossbar and which give away their factors.

The layers are flax's own with three arguments more: ``io``, ``io_backward`` and ``mapping``.
:func:`convert` makes layers of a model analog that was written without them; :func:`from_flax` and
:func:`to_flax` take its weights over. :func:`taps` makes the zeros by which a loss is
differentiated to gather the factors (x, d) of every call of a layer in one backward pass.
"""

from analogjax.nn._linen_attention import MultiHeadAttention as MultiHeadAttention
from analogjax.nn._linen_attention import (
    MultiHeadDotProductAttention as MultiHeadDotProductAttention,
)
from analogjax.nn._linen_cells import GRUCell as GRUCell
from analogjax.nn._linen_cells import LSTMCell as LSTMCell
from analogjax.nn._linen_cells import SimpleCell as SimpleCell
from analogjax.nn._linen_checkpoints import from_flax as from_flax
from analogjax.nn._linen_checkpoints import to_flax as to_flax
from analogjax.nn._linen_convert import convert as convert
from analogjax.nn._linen_layers import Conv as Conv
from analogjax.nn._linen_layers import Dense as Dense
from analogjax.nn._linen_layers import DenseGeneral as DenseGeneral
from analogjax.nn._linen_taps import taps as taps
from analogjax.nn._linen_train_state import TrainState as TrainState

__all__ = [
    "Conv",
    "Dense",
    "DenseGeneral",
    "GRUCell",
    "LSTMCell",
    "MultiHeadAttention",
    "MultiHeadDotProductAttention",
    "SimpleCell",
    "TrainState",
    "convert",
    "from_flax",
    "taps",
    "to_flax",
]
