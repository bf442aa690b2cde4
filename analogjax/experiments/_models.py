"""The networks of the experiments, every layer analog, every bias digital."""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn

from analogjax.devices import draw_uniform
from analogjax.nn import Mapping
from analogjax.nn import linen as ann
from analogjax.periphery import AnalogIO


@jax.custom_vjp
def max_pool(x: jax.Array) -> jax.Array:
    """The maximum over windows of 2 by 2 of ``(batch, height, width, channels)``.

    Equal maxima share the gradient. Written for a CPU, where it takes a third of the time of a
    reduction's gradient.
    """
    windows = _windows(x)
    rows = jnp.maximum(windows[:, :, 0], windows[:, :, 1])
    return jnp.maximum(rows[:, :, :, 0], rows[:, :, :, 1])


def _max_pool_forward(x):
    y = max_pool(x)
    return y, (x, y)


def _max_pool_backward(saved, d):
    x, y = saved
    windows = _windows(x)
    # Spelled out: a CPU is slow at sums over such short axes.
    equal = sum((windows[:, :, i, :, j] == y).astype(d.dtype) for i in (0, 1) for j in (0, 1))
    own = (slice(None), slice(None), None, slice(None), None)
    dx = jnp.where(windows == y[own], (d / equal)[own], 0.0).reshape(
        x.shape[0], windows.shape[1] * 2, windows.shape[3] * 2, x.shape[3]
    )
    rest = [(0, whole - part) for whole, part in zip(x.shape, dx.shape, strict=True)]
    # Several products follow, for each of which XLA would compute it anew.
    return (jax.lax.optimization_barrier(jnp.pad(dx, rest)),)


max_pool.defvjp(_max_pool_forward, _max_pool_backward)


def _windows(x):
    """The windows of 2 by 2, ``(batch, rows, 2, columns, 2, channels)``; odd ends are left out."""
    n, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c)


def torch_uniform(key: jax.Array, shape: tuple[int, ...], dtype=jnp.float32) -> jax.Array:
    """Uniform in ``+-1/sqrt(fan_in)``: the initial weights that the published runs start from."""
    fan_in = 1
    for size in shape[:-1]:
        fan_in *= size
    return draw_uniform(key, shape, dtype, -1.0, 1.0) / jnp.sqrt(fan_in).astype(dtype)


class DigitsNet(nn.Module):
    """A small convolutional network for 8 by 8 images: conv 3x3x16, pool, 64, classes; tanh.

    Attributes are those of :class:`LeNet5`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import DigitsNet
      >>> params = jax.eval_shape(DigitsNet().init, jax.random.key(0), jnp.ones((1, 8, 8, 1)))
      >>> sum(leaf.size for leaf in jax.tree.leaves(params))
      10090
    """

    classes: int = 10
    io: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of images ``(batch, 8, 8, 1)``."""
        conv, dense = _on_arrays(self)
        x = nn.tanh(max_pool(conv(16, (3, 3), padding="VALID")(x)))
        x = x.reshape(x.shape[0], -1)
        x = nn.tanh(dense(64)(x))
        return dense(self.classes)(x)


class LeNet5(nn.Module):
    """The LeNet-5 of the published runs: conv 16 and 32 of 5 by 5, 128, classes; tanh.

    80,202 parameters for 28 by 28 images and 10 classes; 117,866 for those of CIFAR-10, 32 by 32
    in colour.

    Attributes:
      classes: number of classes.
      io: converters of all products and, transposed, of the errors; None for perfect ones.
      mapping: how the weights lie on arrays; None for one array a layer.

    Reference: Li et al., arXiv:2510.02516, appendix on the experiments.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import LeNet5
      >>> params = jax.eval_shape(LeNet5().init, jax.random.key(0), jnp.ones((1, 28, 28, 1)))
      >>> sum(leaf.size for leaf in jax.tree.leaves(params))
      80202
    """

    classes: int = 10
    io: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of images ``(batch, height, width, channels)``, of at least 16 by 16."""
        conv, dense = _on_arrays(self)
        for features in (16, 32):
            x = nn.tanh(max_pool(conv(features, (5, 5), padding="VALID")(x)))
        x = nn.tanh(x.reshape(x.shape[0], -1))
        x = nn.tanh(dense(128)(x))
        return dense(self.classes)(x)


class SigmoidNet(nn.Module):
    """The dense network of the published runs: 256, 128, classes; sigmoid.

    235,146 parameters for 28 by 28 images and 10 classes. Attributes are those of :class:`LeNet5`.

    Reference: Gokmen, Vlasov, Front. Neurosci. 10:333 (2016).

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import SigmoidNet
      >>> params = jax.eval_shape(SigmoidNet().init, jax.random.key(0), jnp.ones((1, 28, 28, 1)))
      >>> sum(leaf.size for leaf in jax.tree.leaves(params))
      235146
    """

    classes: int = 10
    io: AnalogIO | None = None
    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of images ``(batch, ...)``."""
        _, dense = _on_arrays(self)
        x = x.reshape(x.shape[0], -1)
        for features in (256, 128):
            x = nn.sigmoid(dense(features)(x))
        return dense(self.classes)(x)


def network_for(dataset: str, **fields) -> nn.Module:
    """The convolutional network for images of a data set: DigitsNet for digits, else LeNet-5."""
    return DigitsNet(**fields) if dataset == "digits" else LeNet5(**fields)


def _on_arrays(model):
    """The convolution and the dense layer of a model, with its converters and mapping."""
    settings = {
        "kernel_init": torch_uniform,
        "io": model.io,
        "io_backward": model.io,
        "mapping": model.mapping,
    }
    return functools.partial(ann.Conv, **settings), functools.partial(ann.Dense, **settings)
