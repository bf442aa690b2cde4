"""A convolution as a crossbar does it: patches of the input times a matrix."""

import itertools
import math
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

Pads = str | Sequence[tuple[int, int]]


def extract_patches(
    x: jax.Array,
    kernel_size: Sequence[int],
    strides: Sequence[int],
    padding: Pads,
    dilation: Sequence[int],
) -> jax.Array:
    """The input patch under the kernel at each output position.

    Args:
      x: inputs, ``(batch, *spatial, channels)``.
      kernel_size: size of the kernel along each spatial axis.
      strides: step between two positions along each axis.
      padding: "SAME", "VALID" or the pair of paddings of each axis.
      dilation: distance of two kernel entries along each axis.

    Returns:
      Patches, ``(batch, *positions, prod(kernel_size) * channels)``, their last axis ordered as a
      flax kernel ``(*kernel_size, channels, features)`` reshaped to a matrix.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.nn import extract_patches
      >>> x = jnp.arange(4.0).reshape(1, 4, 1)
      >>> extract_patches(x, (2,), (1,), "VALID", (1,))[0].tolist()
      [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
    """
    if x.ndim != len(kernel_size) + 2:
        raise ValueError(
            f"A kernel of size {tuple(kernel_size)} needs inputs (batch, *spatial, channels) of "
            f"{len(kernel_size) + 2} axes, got the shape {x.shape}."
        )
    spatial = x.shape[1:-1]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel_size, dilation, strict=True)]
    if isinstance(padding, str):
        if padding not in ("SAME", "VALID", "SAME_LOWER"):
            raise ValueError(
                f"padding must be SAME, SAME_LOWER, VALID or numbers, got '{padding}'."
            )
        padding = lax.padtype_to_pads(spatial, reach, strides, padding)
    if any(low or high for low, high in padding):
        x = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    ends = [
        (size - r) // s * s + 1 for size, r, s in zip(x.shape[1:-1], reach, strides, strict=True)
    ]
    if any(end < 1 for end in ends):
        raise ValueError(
            f"A kernel of size {tuple(kernel_size)} does not fit an input of spatial size "
            f"{tuple(spatial)} with padding {padding}."
        )
    windows = [
        [slice(o * d, o * d + end, s) for o in range(k)]
        for k, d, end, s in zip(kernel_size, dilation, ends, strides, strict=True)
    ]
    if math.prod(kernel_size[1:]) * x.shape[-1] > _SHORT:
        return _at_once(x, windows)
    return _axis_by_axis(x, windows)


# Numbers in a row up to which a CPU is several times faster at one axis after another.
_SHORT = 36


def _axis_by_axis(x, windows: Sequence[Sequence[slice]]) -> jax.Array:
    """The patches, from windows of the last spatial axis first."""
    for axis in reversed(range(len(windows))):
        x = _side_by_side(x, ([slice(None)] * axis + [window] for window in windows[axis]))
    return x


def _at_once(x, windows: Sequence[Sequence[slice]]) -> jax.Array:
    """The patches, from windows of all spatial axes; its transpose goes axis by axis."""

    @jax.custom_jvp
    def patches(x):
        return _side_by_side(x, itertools.product(*windows))

    @patches.defjvp
    def _(primals, tangents):
        # A sum of k + k pieces instead of k * k.
        return patches(*primals), _axis_by_axis(tangents[0], windows)

    return patches(x)


def _side_by_side(x, windows: Iterable[Sequence[slice]]) -> jax.Array:
    """Windows of the spatial axes, one after another along the last axis."""
    return jnp.concatenate([x[(slice(None), *window)] for window in windows], axis=-1)
