"""AutoAugment: pairs of operations on images that were found for CIFAR-10."""

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.experiments._augment import check_images
from analogjax.experiments._image_ops import BLENDS, MOVES, Change, apply_change, make_change

# Two operations each with its probability and its magnitude, 0 to 9.
POLICY = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 0), ("auto_contrast", 0.4, 0)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("auto_contrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("color", 0.9, 9), ("equalize", 0.6, 0)),
    (("auto_contrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("auto_contrast", 0.9, 0)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate_y", 0.7, 9), ("auto_contrast", 0.9, 0)),
)


def auto_augment(key: jax.Array, images: jax.Array) -> jax.Array:
    """Applies to each image one of 25 pairs of operations, all equally likely.

    Each operation of a pair happens with a probability of its own, and with either sign where it
    has one. Levels are rounded to multiples of 1/255, as the operations are those on such images.

    Args:
      key: PRNG key.
      images: ``(n, height, width, 3)``, float32 in [0, 1].

    Returns:
      The images, likewise.

    Raises:
      ValueError: for images of other axes or another type, or not of three channels.

    Reference: Cubuk, Zoph, Mane, Vasudevan, Le, "AutoAugment: learning augmentation strategies
    from data", CVPR (2019), arXiv:1805.09501; magnitudes as in torchvision.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import auto_augment
      >>> jax.eval_shape(auto_augment, jax.random.key(0), jnp.ones((2, 8, 8, 3))).shape
      (2, 8, 8, 3)
    """
    check_images(images)
    n, height, width, channels = images.shape
    if channels != 3:
        raise ValueError(f"auto_augment needs images of 3 channels, red to blue, got {channels}.")
    keys = jax.random.split(key, 3)
    pair = jax.random.randint(keys[0], (n,), 0, len(POLICY))
    probability = jnp.asarray([[p for _, p, _ in pair] for pair in POLICY])[pair].T
    happens = jax.random.uniform(keys[1], (2, n)) < probability
    sign = jax.random.bernoulli(keys[2], shape=(2, n)).astype(jnp.int32)
    variant = jnp.where(happens, sign, 2)
    slot = jnp.arange(2)[:, None]
    changes = jax.tree.map(
        lambda table: jnp.asarray(table)[pair, slot, variant], _tables(height, width)
    )

    def apply(pixels, change):
        return jax.vmap(apply_change)(pixels, change), None

    pixels = jnp.round(255.0 * jnp.clip(images, 0.0, 1.0)).astype(jnp.int32)
    pixels, _ = jax.lax.scan(apply, pixels, changes)
    return pixels.astype(jnp.float32) / 255.0


def amount_of(name: str, magnitude: int, height: int, width: int) -> float:
    """The amount, as :func:`make_change` takes it, that a magnitude of the policy stands for.

    For operations with a sign it is that of the positive one.

    Args:
      name: the operation.
      magnitude: 0 to 9.
      height: height of the images, in pixels.
      width: width of the images, in pixels.
    """
    share = magnitude / 9
    if name in BLENDS:
        return 1 + 0.9 * share
    return {
        "shear_x": 0.3 * share,
        "shear_y": 0.3 * share,
        "translate_x": int(150 / 331 * width * share),
        "translate_y": int(150 / 331 * height * share),
        "rotate": 30 * share,
        "solarize": 255 - 255 * magnitude / 9,
        "posterize": 8 - round(4 * share),
    }.get(name, 0)


def _tables(height: int, width: int) -> Change:
    """All operations: leaves ``(25, 2, 3, ...)``, the third axis plus, minus, and not at all."""

    def variants(name, magnitude):
        plus = minus = amount_of(name, magnitude, height, width)
        if name in MOVES:
            minus = -plus
        if name in BLENDS:
            minus = 2 - plus
        made = [(name, plus), (name, minus), (None, 0.0)]
        return _stack([make_change(*each, height, width) for each in made])

    return _stack([_stack([variants(name, m) for name, _, m in pair]) for pair in POLICY])


def _stack(changes: list[Change]) -> Change:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *changes)
