"""The residual network of 18 layers for small images, in plain flax."""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn


class ResNet18(nn.Module):
    """ResNet-18 with the stem for small images: a 3 x 3 convolution and no pooling.

    Its kernels have the paths ``stem/kernel``, ``stage3_1/Conv_0/kernel`` and so on, stages counted
    from 1 and blocks from 0, and ``head/kernel``. Batch statistics are in ``batch_stats``.

    Attributes:
      classes: number of classes.
      width: channels of the first stage; each of the four has twice those of the one before.

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

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Logits ``(batch, classes)`` of images ``(batch, height, width, channels)``."""
        x = nn.Conv(self.width, (3, 3), use_bias=False, name="stem")(images)
        x = nn.relu(_norm(train, name="stem_norm")(x))
        for stage in range(4):
            for block in range(2):
                strides = 2 if stage > 0 and block == 0 else 1
                name = f"stage{stage + 1}_{block}"
                x = _Block(self.width * 2**stage, strides, name=name)(x, train)
        return nn.Dense(self.classes, name="head")(x.mean((1, 2)))


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
    return nn.BatchNorm(use_running_average=not train, dtype=jnp.float32, name=name)
