"""NNX's dense and convolution layers on a crossbar."""

import math
from typing import Any

import jax
from flax import nnx
from jax import lax

from analogjax.nn._analog import Analog
from analogjax.nn._convolution import check_groups, convolve
from analogjax.nn._flatten_axes import flatten_axes
from analogjax.nn._mapping import Mapping
from analogjax.nn._nnx_array import OnArrays
from analogjax.nn._refuse import refuse
from analogjax.periphery import AnalogIO


class Linear(OnArrays, nnx.Linear):
    """A dense layer on a crossbar, with the arguments of ``nnx.Linear`` and three more.

    There is no ``dot_general``, whose place the array takes, and ``precision`` is JAX's default.

    Args:
      in_features: number of inputs.
      out_features: number of outputs.
      io: converters of the product, or None for a perfect one; their noise is drawn from the
        stream "analog" of ``rngs``.
      io_backward: those that the errors go back through; None for the exact derivatives of the
        perfect product.
      mapping: how its weights lie on arrays; None for one array as large as the matrix.
      rngs: as for ``nnx.Linear``.
      **kwargs: as for ``nnx.Linear``.

    Raises:
      ValueError: if an argument is given that no crossbar has.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> ann.Linear(2, 3, rngs=nnx.Rngs(0))(jnp.ones((4, 2))).shape
      (4, 3)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        io: AnalogIO | None = None,
        io_backward: AnalogIO | None = None,
        mapping: Mapping | None = None,
        rngs: nnx.Rngs,
        **kwargs,
    ):
        super().__init__(in_features, out_features, rngs=rngs, **kwargs)
        self.become_analog(Analog(io=io, io_backward=io_backward, mapping=mapping), rngs)

    def become_analog(self, analog: Analog, rngs: nnx.Rngs | None) -> None:
        """Prepares what flax has made for an array."""
        refuse(self, dot_general=lax.dot_general)
        self.lay(analog, rngs)

    def __call__(self, inputs: jax.Array, out_sharding=None) -> jax.Array:
        """Applies the layer to ``(..., in)``."""
        _check_sharding(out_sharding)
        return self.outputs(inputs)


class LinearGeneral(OnArrays, nnx.LinearGeneral):
    """A dense layer over several axes of its inputs, to several axes of features.

    An array is a matrix: the kernel is ``(in, out)``, with ``in`` the axes ``axis`` of the inputs
    and ``out`` those of ``out_features``, each joined to one. It is flax's own kernel reshaped, and
    the same key draws the same numbers. The arguments are those of ``nnx.LinearGeneral``, without
    ``batch_axis``, and those of :class:`Linear`.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> layer = ann.LinearGeneral((3, 7), (4, 5), axis=(1, -1), rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((1, 3, 6, 7))).shape, layer.kernel.shape, layer.bias.shape
      ((1, 6, 4, 5), (21, 20), (4, 5))
    """

    def __init__(
        self,
        in_features,
        out_features,
        *,
        io: AnalogIO | None = None,
        io_backward: AnalogIO | None = None,
        mapping: Mapping | None = None,
        rngs: nnx.Rngs,
        **kwargs,
    ):
        super().__init__(in_features, out_features, rngs=rngs, **kwargs)
        self.become_analog(Analog(io=io, io_backward=io_backward, mapping=mapping), rngs)

    def become_analog(self, analog: Analog, rngs: nnx.Rngs | None) -> None:
        """Prepares what flax has made for an array."""
        refuse(self, batch_axis={}, dot_general=None, dot_general_cls=None)
        self.kernel.set_value(self.kernel[...].reshape(math.prod(self.in_features), -1))
        self.lay(analog, rngs)

    def __call__(self, inputs: jax.Array, out_sharding=None) -> jax.Array:
        """Applies the layer to inputs that have the axes ``axis``."""
        _check_sharding(out_sharding)
        y = self.outputs(flatten_axes(inputs, self.axis))
        return y.reshape(*y.shape[:-1], *self.out_features)


class Conv(OnArrays, nnx.Conv):
    """A convolution on a crossbar, with the arguments of ``nnx.Conv`` and of :class:`Linear`.

    Each patch of the input is multiplied by the kernel as a matrix; every output position is a
    pulse vector of its own when the kernel is updated. Each feature group is an array of its own:
    the factors of several groups are x ``(..., groups, in)`` and d
    ``(..., groups, features / groups)``, with ``in`` the kernel entries of one group. Masks and
    input dilation are refused.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> layer = ann.Conv(2, 5, (3, 3), padding="VALID", rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((4, 8, 8, 2))).shape
      (4, 6, 6, 5)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *args,
        io: AnalogIO | None = None,
        io_backward: AnalogIO | None = None,
        mapping: Mapping | None = None,
        rngs: nnx.Rngs,
        **kwargs,
    ):
        check_groups(kwargs.get("feature_group_count", 1), in_features, out_features)
        super().__init__(in_features, out_features, *args, rngs=rngs, **kwargs)
        self.become_analog(Analog(io=io, io_backward=io_backward, mapping=mapping), rngs)

    def become_analog(self, analog: Analog, rngs: nnx.Rngs | None) -> None:
        """Prepares what flax has made for an array."""
        refuse(self, mask=None, input_dilation=1, conv_general_dilated=lax.conv_general_dilated)
        self.lay(analog, rngs, self.feature_group_count)

    def __call__(self, inputs: jax.Array, out_sharding=None) -> jax.Array:
        """Applies the layer to ``(..., *spatial, channels)``."""
        _check_sharding(out_sharding)
        return convolve(
            self.outputs,
            inputs,
            self.kernel_size,
            strides=self.strides,
            padding=self.padding,
            dilation=self.kernel_dilation,
            groups=self.feature_group_count,
        )


# What a layer of flax becomes on an array.
KINDS: dict[type, Any] = {nnx.Linear: Linear, nnx.LinearGeneral: LinearGeneral, nnx.Conv: Conv}


def make_analog(layer: nnx.Module, analog: Analog, rngs: nnx.Rngs | None) -> None:
    """Makes a layer of flax analog where it stands, with the parameters it has.

    Whatever refers to the layer, a list or a second module, then refers to the analog one.
    """
    analog_layer: Any = layer
    # A class is no attribute of the graph, as which ``layer.__class__ =`` would record it.
    object.__setattr__(analog_layer, "__class__", KINDS[type(layer)])
    analog_layer.become_analog(analog, rngs)


def _check_sharding(out_sharding) -> None:
    if out_sharding is not None:
        raise ValueError(f"An analog layer has no out_sharding, got {out_sharding}: leave it out.")
