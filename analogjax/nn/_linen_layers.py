"""Linen's dense and convolution layers on a crossbar."""

import jax
from flax import linen as nn

from analogjax.nn._analog import analog_of
from analogjax.nn._linen_products import convolution, dense, dense_general
from analogjax.nn._mapping import Mapping
from analogjax.periphery import AnalogIO


class Dense(nn.Dense):
    """A dense layer on a crossbar: ``y = x @ kernel + bias``, the bias digital.

    Attributes are those of ``nn.Dense`` and three more; there is no ``dot_general``, whose place
    the array takes, and ``precision`` is JAX's default.

    Attributes:
      io: converters of the product, whose noise is of the stream "analog"; None for a perfect one.
      io_backward: converters of the backward product; None for exact derivatives.
      mapping: how the weights lie on arrays; None for one array as large as the kernel.

    Raises:
      ValueError: by a call, if a field of ``io`` is out of its range, or an argument is given that
        no crossbar has.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import linen as ann
      >>> from analogjax.periphery import AnalogIO
      >>> layer = ann.Dense(3, io=AnalogIO())
      >>> variables = layer.init(jax.random.key(0), jnp.ones((1, 2)))
      >>> layer.apply(variables, jnp.ones((4, 2)), rngs={"analog": jax.random.key(1)}).shape
      (4, 3)
    """

    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Applies the layer to ``(..., in)``."""
        return dense(self, analog_of(self), inputs)


class DenseGeneral(nn.DenseGeneral):
    """A dense layer over several axes of its inputs, to several axes of features.

    An array is a matrix: the kernel is ``(in, out)``, with ``in`` the axes ``axis`` of the inputs
    and ``out`` those of ``features``, each joined to one. It is flax's own kernel reshaped, and the
    same key draws the same numbers; :func:`from_flax` turns one into the other. Attributes are
    those of ``nn.DenseGeneral``, without ``batch_dims``, and those of :class:`Dense`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import linen as ann
      >>> layer = ann.DenseGeneral((4, 5), axis=(1, -1))
      >>> y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((1, 3, 6, 7)))
      >>> y.shape, variables["params"]["kernel"].shape, variables["params"]["bias"].shape
      ((1, 6, 4, 5), (21, 20), (4, 5))
    """

    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Applies the layer to inputs that have the axes ``axis``."""
        return dense_general(self, analog_of(self), inputs)


class Conv(nn.Conv):
    """A convolution on a crossbar: each patch of the input times the kernel as a matrix.

    Every output position is a pulse vector of its own when the kernel is updated. The factors of
    several groups are x ``(..., groups, in)`` and d ``(..., groups, features / groups)``, with
    ``in`` the kernel entries of one group. Attributes are those of ``nn.Conv``, without ``mask``
    and ``input_dilation``, and those of :class:`Dense`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import linen as ann
      >>> layer = ann.Conv(5, (3, 3), padding="VALID")
      >>> variables = layer.init(jax.random.key(0), jnp.ones((1, 8, 8, 2)))
      >>> layer.apply(variables, jnp.ones((4, 8, 8, 2))).shape
      (4, 6, 6, 5)
    """

    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Applies the layer to ``(..., *spatial, channels)``."""
        return convolution(self, analog_of(self), inputs)
