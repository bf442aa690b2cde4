"""Linen's attention, its four projections on a crossbar each."""

from flax import linen as nn

from analogjax.nn._analog import analog_of
from analogjax.nn._linen_intercept import analog_products
from analogjax.nn._mapping import Mapping
from analogjax.periphery import AnalogIO


class MultiHeadDotProductAttention(nn.MultiHeadDotProductAttention):
    """Attention, with the arguments of ``nn.MultiHeadDotProductAttention`` and :class:`Dense`.

    The projections to queries, keys, values and outputs are arrays; products of activations with
    each other are digital. The kernels are matrices, those of all heads side by side, as
    :class:`DenseGeneral` has them.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import linen as ann
      >>> layer = ann.MultiHeadDotProductAttention(num_heads=2, qkv_features=6)
      >>> y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((4, 5, 3)))
      >>> y.shape, variables["params"]["query"]["kernel"].shape
      ((4, 5, 3), (3, 6))
    """

    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, *args, **kwargs):
        """Applies attention; see ``nn.MultiHeadDotProductAttention``."""
        analog = analog_of(self)
        with analog_products(lambda projection: analog):
            return super().__call__(*args, **kwargs)


class MultiHeadAttention(MultiHeadDotProductAttention):
    """Another name of :class:`MultiHeadDotProductAttention`, as in flax.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import linen as ann
      >>> layer = ann.MultiHeadAttention(num_heads=2)
      >>> layer.init_with_output(jax.random.key(0), jnp.ones((4, 5, 6)))[0].shape
      (4, 5, 6)
    """
