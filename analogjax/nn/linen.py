"""Linen layers whose products are those of a crossbar and which give away their factors.

The layers take flax's own arguments. :func:`taps` makes the zeros by which a loss is
differentiated to gather the factors (x, d) of every call of a layer in one backward pass.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.linen import initializers
from flax.linen.dtypes import promote_dtype
from flax.training import train_state

from analogjax.nn._convolution import check_groups, convolve
from analogjax.nn._linen_taps import tapped
from analogjax.nn._linen_taps import taps as taps
from analogjax.nn._product import add_bias
from analogjax.periphery import AnalogIO


class Dense(nn.Module):
    """A dense layer on a crossbar: ``y = x @ kernel + bias``, the bias digital.

    Attributes:
      features: number of outputs.
      use_bias: whether to add a bias.
      dtype: type of the computation; inferred from inputs and parameters by default.
      param_dtype: type of the parameters.
      kernel_init: initializer of the kernel, ``(in, features)``.
      bias_init: initializer of the bias, ``(features,)``.
      io: converters of the product, or None for a perfect one; their noise is drawn from the rng
        "analog", ``apply(..., rngs={"analog": key})``.
      io_backward: those that the errors go back through; None for the exact derivatives of the
        perfect product.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import linen as ann
      >>> layer = ann.Dense(3)
      >>> variables = layer.init(jax.random.key(0), jnp.ones((1, 2)))
      >>> layer.apply(variables, jnp.ones((4, 2))).shape
      (4, 3)
    """

    features: int
    use_bias: bool = True
    dtype: Any = None
    param_dtype: Any = jnp.float32
    kernel_init: Any = initializers.lecun_normal()
    bias_init: Any = initializers.zeros_init()
    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Applies the layer to ``(..., in)``."""
        shape = (inputs.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        bias = _bias(self)
        inputs, kernel, bias = promote_dtype(inputs, kernel, bias, dtype=self.dtype)
        y = tapped(self, inputs, kernel)
        return add_bias(y, bias)


class Conv(nn.Module):
    """A convolution on a crossbar: each patch of the input times the kernel as a matrix.

    Every output position is a pulse vector of its own when the kernel is updated. The factors of
    several groups are x ``(..., groups, in)`` and d ``(..., groups, features / groups)``, with
    ``in`` the kernel entries of one group.

    Attributes:
      features: number of output channels.
      kernel_size: size of the kernel along each spatial axis.
      strides: step between two positions, one number for all axes or one for each.
      padding: "SAME", "VALID", a number for all sides, or a number or pair for each axis.
      kernel_dilation: distance of two kernel entries, one number for all axes or one for each.
      feature_group_count: number of groups of channels and of features, each an array of its own.
      use_bias: whether to add a bias.
      dtype: type of the computation; inferred from inputs and parameters by default.
      param_dtype: type of the parameters.
      kernel_init: initializer of the kernel, ``(*kernel_size, channels / groups, features)``.
      bias_init: initializer of the bias, ``(features,)``.
      io: converters of the product, or None for a perfect one; their noise is drawn from the rng
        "analog", ``apply(..., rngs={"analog": key})``.
      io_backward: those that the errors go back through; None for the exact derivatives of the
        perfect product.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import linen as ann
      >>> layer = ann.Conv(5, (3, 3), padding="VALID")
      >>> variables = layer.init(jax.random.key(0), jnp.ones((1, 8, 8, 2)))
      >>> layer.apply(variables, jnp.ones((4, 8, 8, 2))).shape
      (4, 6, 6, 5)
    """

    features: int
    kernel_size: int | Sequence[int]
    strides: int | Sequence[int] = 1
    padding: str | int | Sequence[int | tuple[int, int]] = "SAME"
    kernel_dilation: int | Sequence[int] = 1
    feature_group_count: int = 1
    use_bias: bool = True
    dtype: Any = None
    param_dtype: Any = jnp.float32
    kernel_init: Any = initializers.lecun_normal()
    bias_init: Any = initializers.zeros_init()
    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Applies the layer to ``(batch, *spatial, channels)``."""
        size = (self.kernel_size,) if isinstance(self.kernel_size, int) else self.kernel_size
        channels, groups = inputs.shape[-1], self.feature_group_count
        check_groups(groups, channels, self.features)
        shape = (*size, channels // groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        bias = _bias(self)
        inputs, kernel, bias = promote_dtype(inputs, kernel, bias, dtype=self.dtype)
        y = convolve(
            functools.partial(tapped, self),
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation=self.kernel_dilation,
            groups=groups,
        )
        return add_bias(y, bias)


class TrainState(train_state.TrainState):
    """Flax's training state, whose ``apply_gradients`` hands extra arguments to the optimizer.

    Flax's own treats them as fields to replace, so that ``value=`` and ``factors=`` cannot reach
    a rule through it.

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.nn import linen as ann
      >>> rule = analogjax.analog_sgd(0.1, SoftBounds.with_states(10), key=0)
      >>> params = {"kernel": jnp.zeros((2, 3))}
      >>> state = ann.TrainState.create(apply_fn=None, params=params, tx=rule)
      >>> state = state.apply_gradients(grads=params, value=jnp.float32(1.0))
      >>> int(state.step)
      1
    """

    def apply_gradients(self, *, grads, **extra_args):
        """The state after one step; ``extra_args`` go to the optimizer's ``update``."""
        updates, opt_state = self.tx.update(grads, self.opt_state, self.params, **extra_args)
        params = optax.apply_updates(self.params, updates)
        return self.replace(step=self.step + 1, params=params, opt_state=opt_state)


def _bias(layer):
    if not layer.use_bias:
        return None
    return layer.param("bias", layer.bias_init, (layer.features,), layer.param_dtype)
