"""A small transformer for text, letter by letter, in plain flax."""

import jax
import jax.numpy as jnp
from flax import linen as nn


class CharTransformer(nn.Module):
    """A causal transformer with its layer norms before each part.

    Its kernels have the paths ``block0/attention/query/kernel``, ``block0/up/kernel``,
    ``block0/down/kernel`` and so on, and ``head/kernel``.

    Attributes:
      vocabulary: number of letters.
      width: size of the vector of a letter.
      heads: number of heads.
      layers: number of blocks.

    Reference: Vaswani et al., "Attention is all you need", NeurIPS (2017), arXiv:1706.03762.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import CharTransformer
      >>> model = CharTransformer(vocabulary=5, width=4, heads=2, layers=1)
      >>> text = jnp.zeros((2, 7), jnp.int32)
      >>> model.init_with_output(jax.random.key(0), text)[0].shape
      (2, 7, 5)
    """

    vocabulary: int
    width: int = 384
    heads: int = 6
    layers: int = 6

    @nn.compact
    def __call__(self, text: jax.Array) -> jax.Array:
        """Logits ``(batch, length, vocabulary)`` of the letters after those of ``text``."""
        position = nn.Embed(text.shape[-1], self.width, name="position")
        x = nn.Embed(self.vocabulary, self.width, name="letter")(text)
        x = x + position(jnp.arange(text.shape[-1]))
        for layer in range(self.layers):
            x = _Block(self.heads, name=f"block{layer}")(x)
        return nn.Dense(self.vocabulary, name="head")(nn.LayerNorm()(x))


class _Block(nn.Module):
    """Attention to the letters before, and two dense layers."""

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        mask = nn.make_causal_mask(x[..., 0])
        attention = nn.MultiHeadDotProductAttention(self.heads, name="attention")
        x = x + attention(nn.LayerNorm()(x), mask=mask)
        y = nn.Dense(4 * x.shape[-1], name="up")(nn.LayerNorm()(x))
        return x + nn.Dense(x.shape[-1], name="down")(nn.gelu(y))
