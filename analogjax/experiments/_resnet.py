"""Residual networks for small images, in plain flax."""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn


class ResNet(nn.Module):
    """A residual network with the stem for small images: a 3 x 3 convolution and no pooling.

    Its kernels have the paths ``stem/kernel``, ``stage3_1/Conv_0/kernel`` and so on, stages counted
    from 1 and blocks from 0, and ``head/kernel``. Batch statistics are in ``batch_stats``.

    Attributes:
      classes: number of classes.
      width: channels of the first stage; each has twice those of the one before.
      blocks: number of blocks of each stage.
      mean: of the images' channels, taken off first.
      std: of the images' channels, by which they are divided then.

    Reference: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR (2016),
    arXiv:1512.03385.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import ResNet18
      >>> model = ResNet18(classes=3, width=2)
      >>> shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((1, 8, 8, 3)))["params"]
      >>> shapes["stage4_0"]["Conv_0"]["kernel"].shape
      (3, 3, 8, 16)
    """

    classes: int = 10
    width: int = 64
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Logits ``(batch, classes)`` of images ``(batch, height, width, channels)``."""
        x = (images - jnp.asarray(self.mean)) / jnp.asarray(self.std)
        x = nn.Conv(self.width, (3, 3), use_bias=False, name="stem")(x)
        x = nn.relu(_norm(train, name="stem_norm")(x))
        for stage, blocks in enumerate(self.blocks):
            for block in range(blocks):
                strides = 2 if stage > 0 and block == 0 else 1
                name = f"stage{stage + 1}_{block}"
                x = _Block(self.width * 2**stage, strides, name=name)(x, train)
        return nn.Dense(self.classes, name="head")(x.mean((1, 2)))


class ResNet18(ResNet):
    """A :class:`ResNet` of 18 layers.

    Reference: He, Zhang, Ren, Sun, CVPR (2016), Table 1.

    Example:
      >>> from analogjax.experiments import ResNet18
      >>> ResNet18(classes=100).blocks
      (2, 2, 2, 2)
    """

    blocks: tuple[int, ...] = (2, 2, 2, 2)


class ResNet34(ResNet):
    """A :class:`ResNet` of 34 layers.

    Reference: He, Zhang, Ren, Sun, CVPR (2016), Table 1.

    Example:
      >>> from analogjax.experiments import ResNet34
      >>> ResNet34(classes=100).blocks
      (3, 4, 6, 3)
    """

    blocks: tuple[int, ...] = (3, 4, 6, 3)


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which has a convolution where the shape changes."""

    features: int
    strides: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        conv = functools.partial(nn.Conv, self.features, use_bias=False)
        y = nn.relu(_norm(train)(conv((3, 3), strides=self.strides)(x)))
        y = _norm(train)(conv((3, 3))(y))
        if y.shape != x.shape:
            x = conv((1, 1), strides=self.strides, name="shortcut")(x)
            x = _norm(train, name="shortcut_norm")(x)
        return nn.relu(x + y)


def _norm(train: bool, name: str | None = None) -> nn.BatchNorm:
    return nn.BatchNorm(not train, momentum=0.9, dtype=jnp.float32, name=name)
