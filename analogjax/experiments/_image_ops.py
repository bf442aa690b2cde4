"""Changes of one image of levels 0 to 255, as Pillow makes them."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array | np.ndarray

LEVELS = 256
MOVES = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
BLENDS = ("brightness", "contrast", "color", "sharpness")
REMAPS = ("invert", "solarize", "posterize", "auto_contrast", "equalize")
OPERATIONS = (*MOVES, *BLENDS, *REMAPS)
_IN_BOUNDS = "promise_in_bounds"


class Change(NamedTuple):
    """An operation with its magnitude, as numbers: a move, then a new map of levels, then a blend.

    Two of the three leave the image as it is.

    Attributes:
      matrix: ``(6,)`` int32, from the pixel of the result to that of the image, in units of
        1 / 65536 pixels.
      remap: int32, position in :data:`REMAPS`, or one past the end for none.
      level: int32, the level from which solarize inverts, or the bits that posterize keeps.
      blend: int32, position in :data:`BLENDS`.
      factor: float32, 1 to keep the image, 0 for the one that it is blended with.
    """

    matrix: Array
    remap: Array
    level: Array
    blend: Array
    factor: Array


def make_change(name: str | None, amount: float, height: int, width: int) -> Change:
    """An operation on images of a size.

    Args:
      name: one of :data:`OPERATIONS`, or None for no change.
      amount: a slope for shear_x and shear_y, pixels for translate_x and translate_y, degrees
        counterclockwise for rotate, the factor for those of :data:`BLENDS`, the first inverted
        level for solarize, the number of bits for posterize; no matter for the others.
      height: height of the images, in pixels.
      width: width of the images, in pixels.

    Returns:
      The operation, its leaves NumPy arrays.

    Raises:
      ValueError: for an unknown name.

    Reference: Clark et al., Pillow, modules Image, ImageOps and ImageEnhance.

    Example:
      >>> from analogjax.experiments._image_ops import make_change
      >>> make_change("translate_x", 3, 32, 32).matrix
      array([  65536,       0, -163840,       0,   65536,   32768], dtype=int32)
    """
    if name is not None and name not in OPERATIONS:
        raise ValueError(f"Unknown operation '{name}'; choose one of {', '.join(OPERATIONS)}.")
    level = math.ceil(amount) if name == "solarize" else 0
    if name == "posterize":
        level = LEVELS - 2 ** (8 - int(amount))
    return Change(
        _fixed_point(_matrix(name, amount, height, width)),
        np.asarray(REMAPS.index(name) if name in REMAPS else len(REMAPS), np.int32),
        np.asarray(level, np.int32),
        np.asarray(BLENDS.index(name) if name in BLENDS else 0, np.int32),
        np.asarray(amount if name in BLENDS else 1.0, np.float32),
    )


def apply_change(pixels: jax.Array, change: Change) -> jax.Array:
    """One image after an operation.

    All that the operation does not need is computed as well where several are vmapped.

    Args:
      pixels: ``(height, width, 3)``, int32 in 0 to 255.
      change: as made by :func:`make_change` for images of this size.

    Returns:
      The changed image, likewise.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments._image_ops import apply_change, make_change
      >>> image = jnp.full((4, 4, 3), 100)
      >>> jax.jit(apply_change)(image, make_change("invert", 0, 4, 4))[0, 0]
      Array([155, 155, 155], dtype=int32)
    """
    pixels = _moved(pixels, change.matrix)
    pixels = _remapped(pixels, change.remap, change.level)
    return _blended(pixels, change.blend, change.factor)


def _matrix(name: str | None, amount: float, height: int, width: int) -> list[float]:
    """Column and row in the image of a point of the result: a, b, c, d, e, f of Pillow."""
    if name == "shear_x":
        return [1, amount, 0, 0, 1, 0]
    if name == "shear_y":
        return [1, 0, 0, amount, 1, 0]
    if name == "translate_x":
        return [1, 0, -amount, 0, 1, 0]
    if name == "translate_y":
        return [1, 0, 0, 0, 1, -amount]
    if name == "rotate":
        x, y = width / 2, height / 2
        cos, sin = math.cos(math.radians(amount)), math.sin(math.radians(amount))
        return [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y]
    return [1, 0, 0, 0, 1, 0]


def _fixed_point(matrix: list[float]) -> np.ndarray:
    """The matrix from the corner of a pixel of the result, to whose centre it applies."""
    a, b, c, d, e, f = matrix
    centred = [a, b, c + (a + b) / 2, d, e, f + (d + e) / 2]
    return np.floor(np.asarray(centred) * 65536 + 0.5).astype(np.int32)


def _moved(pixels: jax.Array, matrix: Array) -> jax.Array:
    """The nearest pixels under an affine map, black where there are none."""
    height, width, channels = pixels.shape
    a, b, c, d, e, f = matrix
    row, column = jnp.arange(height)[:, None], jnp.arange(width)
    x = (a * column + b * row + c) >> 16
    y = (d * column + e * row + f) >> 16
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    source = jnp.where(inside, y * width + x, 0)
    return jnp.where(inside[..., None], pixels.reshape(-1, channels)[source], 0)


def _remapped(pixels: jax.Array, remap: Array, level: Array) -> jax.Array:
    """The image with each level of a channel replaced by another."""
    levels = jnp.arange(LEVELS)
    cells = pixels + LEVELS * jnp.arange(3)
    counts = jnp.zeros(3 * LEVELS, jnp.int32).at[cells].add(1, mode=_IN_BOUNDS).reshape(3, LEVELS)
    tables = (
        LEVELS - 1 - levels,
        jnp.where(levels < level, levels, LEVELS - 1 - levels),
        levels & level,
        _stretched(counts),
        _equalized(counts),
        levels,
    )
    table = jax.lax.select_n(remap, *(jnp.broadcast_to(t, (3, LEVELS)) for t in tables))
    return table.reshape(-1).at[cells].get(mode=_IN_BOUNDS)


def _stretched(counts: jax.Array) -> jax.Array:
    """Levels spread over the whole range, from the ``counts`` of the levels, ``(3, 256)``."""
    levels = jnp.arange(LEVELS)
    low = jnp.where(counts > 0, levels, LEVELS).min(1, keepdims=True)
    span = jnp.where(counts > 0, levels, 0).max(1, keepdims=True) - low
    spread = _divided((levels - low) * (LEVELS - 1), jnp.maximum(span, 1))
    return jnp.where(span > 0, spread, levels)


def _equalized(counts: jax.Array) -> jax.Array:
    """Levels that are equally frequent, from the ``counts`` of the levels, ``(3, 256)``."""
    levels = jnp.arange(LEVELS)
    high = jnp.where(counts > 0, levels, 0).max(1, keepdims=True)
    upto = jnp.cumsum(counts, axis=1)
    below = upto - counts
    step = jnp.take_along_axis(below, high, axis=1) // (LEVELS - 1)
    even = _divided(below + step // 2, jnp.maximum(step, 1))
    return jnp.where(step > 0, even, levels)


def _divided(a: jax.Array, b: jax.Array) -> jax.Array:
    """The quotient, rounded down, kept within the levels."""
    # Half the time of a // b, which also takes the remainder for the sake of signs.
    return jnp.clip(jax.lax.div(*jnp.broadcast_arrays(a, b)), 0, LEVELS - 1)


def _blended(pixels: jax.Array, blend: Array, factor: Array) -> jax.Array:
    """The image mixed with, or moved away from, one that lacks a property."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    grey = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    mean = (2 * grey.sum() + grey.size) // (2 * grey.size)
    others = (jnp.zeros_like(pixels), mean, grey[..., None], _smoothed(pixels))
    other = jax.lax.select_n(blend, *(jnp.broadcast_to(o, pixels.shape) for o in others))
    mixed = other + factor * (pixels - other).astype(jnp.float32)
    return jnp.clip(mixed, 0, LEVELS - 1).astype(jnp.int32)


def _smoothed(pixels: jax.Array) -> jax.Array:
    """The mean over 3 by 3 pixels, the middle one five times; the border stays."""
    height, width, _ = pixels.shape
    shifted = [pixels[i : height - 2 + i, j : width - 2 + j] for i in range(3) for j in range(3)]
    total = sum(shifted) + 4 * pixels[1:-1, 1:-1]
    return pixels.at[1:-1, 1:-1].set((2 * total + 13) // 26)
