"""Random changes of a mini-batch of images: shifted, mirrored, partly erased."""

import jax
import jax.numpy as jnp


def shift(key: jax.Array, images: jax.Array, pad: int = 4) -> jax.Array:
    """Moves each image by up to ``pad`` pixels along both axes; what it leaves is black.

    Args:
      key: PRNG key.
      images: ``(n, height, width, channels)``, float32.
      pad: the largest shift, in pixels; all from -pad to pad are equally likely.

    Returns:
      The moved images, of the same shape.

    Raises:
      ValueError: for images of other axes or another type, or a negative ``pad``.

    Reference: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR (2016),
    arXiv:1512.03385, section 4.2.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import shift
      >>> shift(jax.random.key(0), jnp.ones((2, 8, 8, 1)), pad=1).shape
      (2, 8, 8, 1)
    """
    check_images(images)
    if pad < 0:
        raise ValueError(f"pad must be at least 0 pixels, got {pad}.")
    padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    corners = jax.random.randint(key, (len(images), 2), 0, 2 * pad + 1)

    def crop(image, corner):
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), images.shape[1:])

    return jax.vmap(crop)(padded, corners)


def flip(key: jax.Array, images: jax.Array) -> jax.Array:
    """Mirrors each image, left to right, with probability 1/2.

    Args:
      key: PRNG key.
      images: ``(n, height, width, channels)``, float32.

    Returns:
      The images, of the same shape.

    Raises:
      ValueError: for images of other axes or another type.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import flip
      >>> flip(jax.random.key(0), jnp.ones((2, 8, 8, 1))).shape
      (2, 8, 8, 1)
    """
    check_images(images)
    mirrored = jax.random.bernoulli(key, shape=(len(images), 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def cutout(
    key: jax.Array,
    images: jax.Array,
    probability: float = 0.5,
    area: tuple[float, float] = (0.02, 0.4),
    aspect: float = 2.5,
) -> jax.Array:
    """Covers, in some of the images, a rectangle with one random grey.

    The rectangle lies anywhere within the image, all places equally likely. A side longer than
    the image is cut to it, which square images do not need as long as ``area[1] * aspect <= 1``.

    Args:
      key: PRNG key.
      images: ``(n, height, width, channels)``, float32 in [0, 1].
      probability: share of the images that are changed.
      area: least and greatest share of the image that is covered, uniform between them.
      aspect: greatest ratio of the sides; its logarithm is uniform, either side may be the longer.

    Returns:
      The images, of the same shape; the grey is uniform in [0, 1], the same in all channels.

    Raises:
      ValueError: for images of other axes or another type.

    Reference: Zhong et al., "Random erasing data augmentation", AAAI (2020), arXiv:1708.04896;
    the defaults are those of Li et al., arXiv:2510.02516.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import cutout
      >>> jax.jit(cutout)(jax.random.key(0), jnp.ones((2, 8, 8, 1))).shape
      (2, 8, 8, 1)
    """
    check_images(images)
    n, height, width, _ = images.shape
    keys = jax.random.split(key, 6)
    size = height * width * jax.random.uniform(keys[0], (n,), minval=area[0], maxval=area[1])
    log_aspect = jnp.log(aspect) * jax.random.uniform(keys[1], (n,), minval=-1.0)
    rows = _span(keys[2], jnp.sqrt(size * jnp.exp(log_aspect)), height)
    columns = _span(keys[3], jnp.sqrt(size * jnp.exp(-log_aspect)), width)
    grey = jax.random.uniform(keys[4], (n, 1, 1, 1), images.dtype)
    chosen = jax.random.bernoulli(keys[5], probability, (n, 1, 1, 1))
    covered = chosen & rows[:, :, None, None] & columns[:, None, :, None]
    return jnp.where(covered, grey, images)


def check_images(images: jax.Array) -> None:
    """Refuses what is no mini-batch of images in float32.

    Raises:
      ValueError: for images of other axes or another type.
    """
    if images.ndim != 4 or images.dtype != jnp.float32:
        raise ValueError(
            f"images must be float32 of axes (n, height, width, channels), got {images.dtype} of "
            f"shape {images.shape}."
        )


def _span(key: jax.Array, length: jax.Array, whole: int) -> jax.Array:
    """Which of ``whole`` pixels, ``(n, whole)``, a side of each length covers at a random place."""
    length = jnp.clip(jnp.round(length), 1, whole).astype(jnp.int32)
    start = jax.random.randint(key, length.shape, 0, whole - length + 1)
    pixels = jnp.arange(whole)
    return (pixels >= start[:, None]) & (pixels < (start + length)[:, None])
