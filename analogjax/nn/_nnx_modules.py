"""NNX's recurrent cells and attention, whose dense layers are on a crossbar each."""

from flax import nnx

from analogjax.nn._analog import Analog
from analogjax.nn._mapping import Mapping
from analogjax.nn._nnx_layers import KINDS, make_analog
from analogjax.periphery import AnalogIO


class SimpleCell(nnx.SimpleCell):
    """A plain recurrent cell, with the arguments of ``nnx.SimpleCell`` and :class:`Linear`.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> cell = ann.SimpleCell(2, 3, rngs=nnx.Rngs(0))
      >>> nnx.RNN(cell)(jnp.ones((4, 5, 2))).shape
      (4, 5, 3)
    """

    def __init__(
        self,
        *args,
        io: AnalogIO | None = None,
        io_backward: AnalogIO | None = None,
        mapping: Mapping | None = None,
        rngs: nnx.Rngs,
        **kwargs,
    ):
        super().__init__(*args, rngs=rngs, **kwargs)
        _make_parts_analog(self, Analog(io=io, io_backward=io_backward, mapping=mapping), rngs)


class LSTMCell(nnx.LSTMCell):
    """A cell with long short-term memory, the arguments as of ``nnx.LSTMCell`` and :class:`Linear`.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> cell = ann.LSTMCell(2, 3, rngs=nnx.Rngs(0))
      >>> nnx.RNN(cell)(jnp.ones((4, 5, 2))).shape
      (4, 5, 3)
    """

    def __init__(
        self,
        *args,
        io: AnalogIO | None = None,
        io_backward: AnalogIO | None = None,
        mapping: Mapping | None = None,
        rngs: nnx.Rngs,
        **kwargs,
    ):
        super().__init__(*args, rngs=rngs, **kwargs)
        _make_parts_analog(self, Analog(io=io, io_backward=io_backward, mapping=mapping), rngs)


class GRUCell(nnx.GRUCell):
    """A cell with gated units, with the arguments of ``nnx.GRUCell`` and those of :class:`Linear`.

    As in flax the gates of one input share a kernel, thus an array.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> cell = ann.GRUCell(2, 3, rngs=nnx.Rngs(0))
      >>> nnx.RNN(cell)(jnp.ones((4, 5, 2))).shape
      (4, 5, 3)
    """

    def __init__(
        self,
        *args,
        io: AnalogIO | None = None,
        io_backward: AnalogIO | None = None,
        mapping: Mapping | None = None,
        rngs: nnx.Rngs,
        **kwargs,
    ):
        super().__init__(*args, rngs=rngs, **kwargs)
        _make_parts_analog(self, Analog(io=io, io_backward=io_backward, mapping=mapping), rngs)


class MultiHeadAttention(nnx.MultiHeadAttention):
    """Attention, with the arguments of ``nnx.MultiHeadAttention`` and those of :class:`Linear`.

    The projections to queries, keys, values and outputs are arrays; products of activations with
    each other are digital. The kernels are matrices, those of all heads side by side, as
    :class:`LinearGeneral` has them.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> layer = ann.MultiHeadAttention(2, 6, decode=False, rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((4, 5, 6))).shape, layer.query.kernel.shape
      ((4, 5, 6), (6, 6))
    """

    def __init__(
        self,
        *args,
        io: AnalogIO | None = None,
        io_backward: AnalogIO | None = None,
        mapping: Mapping | None = None,
        rngs: nnx.Rngs,
        **kwargs,
    ):
        super().__init__(*args, rngs=rngs, **kwargs)
        _make_parts_analog(self, Analog(io=io, io_backward=io_backward, mapping=mapping), rngs)


def _make_parts_analog(module: nnx.Module, analog: Analog, rngs: nnx.Rngs) -> None:
    for _, part in nnx.iter_children(module):
        if type(part) in KINDS:
            make_analog(part, analog, rngs)
