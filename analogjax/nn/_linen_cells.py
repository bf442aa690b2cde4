"""Linen's recurrent cells, every gate on a crossbar of its own."""

from flax import linen as nn

from analogjax.nn._analog import analog_of
from analogjax.nn._linen_intercept import analog_products
from analogjax.nn._mapping import Mapping
from analogjax.periphery import AnalogIO


class SimpleCell(nn.SimpleCell):
    """A plain recurrent cell, with the arguments of ``nn.SimpleCell`` and those of :class:`Dense`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from analogjax.nn import linen as ann
      >>> layer = nn.RNN(ann.SimpleCell(3), variable_axes={"taps": 0})
      >>> y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((4, 5, 2)))
      >>> ann.taps(layer, variables, jnp.ones((4, 5, 2)))["cell"]["h"]["kernel"].x.shape
      (5, 4, 3)
    """

    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, carry, inputs):
        """One step; see ``nn.SimpleCell``."""
        with _gates(self):
            return super().__call__(carry, inputs)


class LSTMCell(nn.LSTMCell):
    """A cell with long short-term memory, with the arguments of ``nn.LSTMCell`` and :class:`Dense`.

    Its parameters are those of ``nn.OptimizedLSTMCell``, too. Noise at every step of ``nn.RNN``
    needs ``split_rngs={"params": False, "analog": True}``.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from analogjax.nn import linen as ann
      >>> from analogjax.periphery import AnalogIO
      >>> cell = ann.LSTMCell(3, io=AnalogIO())
      >>> layer = nn.RNN(cell, split_rngs={"params": False, "analog": True})
      >>> layer.init_with_output(jax.random.key(0), jnp.ones((4, 5, 2)))[0].shape
      (4, 5, 3)
    """

    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, carry, inputs):
        """One step; see ``nn.LSTMCell``."""
        with _gates(self):
            return super().__call__(carry, inputs)


class GRUCell(nn.GRUCell):
    """A cell with gated units, with the arguments of ``nn.GRUCell`` and those of :class:`Dense`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from analogjax.nn import linen as ann
      >>> layer = nn.RNN(ann.GRUCell(3))
      >>> layer.init_with_output(jax.random.key(0), jnp.ones((4, 5, 2)))[0].shape
      (4, 5, 3)
    """

    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, carry, inputs):
        """One step; see ``nn.GRUCell``."""
        with _gates(self):
            return super().__call__(carry, inputs)


def _gates(cell):
    analog = analog_of(cell)
    return analog_products(lambda gate: analog)
