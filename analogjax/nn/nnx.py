"""NNX layers whose products are those of a crossbar and which give away their factors.

They are flax's own layers with another product. :func:`value_and_factors` is
``nnx.value_and_grad`` that gathers the factors (x, d) of every call of a layer on the way.
"""

import jax
from flax import nnx

from analogjax.nn._convolution import check_groups, convolve
from analogjax.nn._nnx_taps import Tap as Tap
from analogjax.nn._nnx_taps import Tapped
from analogjax.nn._nnx_taps import value_and_factors as value_and_factors
from analogjax.nn._product import add_bias


class Linear(Tapped, nnx.Linear):
    """A dense layer on a crossbar, with the arguments of ``nnx.Linear``.

    Args:
      in_features: number of inputs.
      out_features: number of outputs.
      io: converters of the product, or None for a perfect one; their noise is drawn from the
        stream "analog" of ``rngs``.
      io_backward: those that the errors go back through; None for the exact derivatives of the
        perfect product.
      rngs: as for ``nnx.Linear``.
      **kwargs: as for ``nnx.Linear``.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> ann.Linear(2, 3, rngs=nnx.Rngs(0))(jnp.ones((4, 2))).shape
      (4, 3)
    """

    def __call__(self, inputs: jax.Array) -> jax.Array:  # type: ignore[override]
        """Applies the layer to ``(..., in)``."""
        bias = None if self.bias is None else self.bias[...]
        inputs, kernel, bias = self.promote_dtype(
            (inputs, self.kernel[...], bias), dtype=self.dtype
        )
        y = self._product(inputs, kernel)
        return add_bias(y, bias)


class Conv(Tapped, nnx.Conv):
    """A convolution on a crossbar, with the arguments of ``nnx.Conv``.

    Each patch of the input is multiplied by the kernel as a matrix; every output position is a
    pulse vector of its own when the kernel is updated. Each feature group is an array of its own:
    the factors of several groups are x ``(..., groups, in)`` and d
    ``(..., groups, features / groups)``, with ``in`` the kernel entries of one group. Masks and
    input dilation are refused. Converters are given as to :class:`Linear`.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.nn import nnx as ann
      >>> layer = ann.Conv(2, 5, (3, 3), padding="VALID", rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((4, 8, 8, 2))).shape
      (4, 6, 6, 5)
    """

    def __init__(self, in_features: int, out_features: int, *args, **kwargs):
        check_groups(kwargs.get("feature_group_count", 1), in_features, out_features)
        super().__init__(in_features, out_features, *args, **kwargs)
        if self.mask is not None or self.input_dilation != 1:
            raise ValueError(
                f"An analog Conv has no mask or input dilation (got {self.input_dilation}); use "
                f"nnx.Conv for such a layer."
            )
        self.conv_general_dilated = None  # type: ignore[assignment]  # A product takes its place.

    def __call__(self, inputs: jax.Array) -> jax.Array:  # type: ignore[override]
        """Applies the layer to ``(batch, *spatial, channels)``."""
        bias = None if self.bias is None else self.bias[...]
        inputs, kernel, bias = self.promote_dtype(
            (inputs, self.kernel[...], bias), dtype=self.dtype
        )
        y = convolve(
            self._product,
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation=self.kernel_dilation,
            groups=self.feature_group_count,
        )
        return add_bias(y, bias)
