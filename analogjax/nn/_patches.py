"""A convolution as a crossbar does it: patches of the input times a matrix."""

import itertools
from collections.abc import Sequence

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
            raise ValueError(f"padding must be SAME, VALID or numbers, got '{padding}'.")
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
    slices = []
    for offset in itertools.product(*map(range, kernel_size)):
        starts = [o * d for o, d in zip(offset, dilation, strict=True)]
        window = tuple(
            slice(start, start + end, step)
            for start, end, step in zip(starts, ends, strides, strict=True)
        )
        slices.append(x[(slice(None), *window)])
    return jnp.concatenate(slices, axis=-1)
