"""A convolution whose product with the kernel is left to a function, such as a tapped one."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax.linen.linear import canonicalize_padding

from analogjax.nn._patches import extract_patches

PerAxis = int | Sequence[int] | None


def convolve(
    multiply: Callable[[jax.Array, int], jax.Array],
    inputs: jax.Array,
    size: Sequence[int],
    *,
    strides: PerAxis,
    padding,
    dilation: PerAxis,
    groups: int,
) -> jax.Array:
    """The convolution of inputs with a kernel, each group of features an array of its own.

    Args:
      multiply: gives outputs ``(..., features)`` of patches ``(..., in)``, or ``(..., groups, in)``
        if there are several groups, and of their number.
      inputs: ``(*batch, *spatial, channels)``, of any number of batch axes.
      size: that of the kernel.
      strides: as in flax.
      padding: as in flax.
      dilation: of the kernel, as in flax.
      groups: number of groups of channels and of features.

    Returns:
      ``(*batch, *positions, features)``.
    """
    batch = inputs.shape[: max(inputs.ndim - len(size) - 1, 0)]
    inputs = inputs.reshape(-1, *inputs.shape[len(batch) :])
    dilation = _each(dilation, size)
    inputs, pads = _pad(inputs, size, dilation, canonicalize_padding(padding, len(size)))
    patches = extract_patches(inputs, size, _each(strides, size), pads, dilation)
    if groups > 1:
        patches = _split_groups(patches, inputs.shape[-1], groups)
    y = multiply(patches, groups)
    return y.reshape(*batch, *y.shape[1:])


def _pad(inputs: jax.Array, size: Sequence[int], dilation: Sequence[int], padding):
    """Inputs with flax's own kinds of padding, and what padding is left to do."""
    reach = [(k - 1) * d for k, d in zip(size, dilation, strict=True)]
    if padding in ("CIRCULAR", "REFLECT"):
        pads = [(n // 2, (n + 1) // 2) for n in reach]
        mode = "wrap" if padding == "CIRCULAR" else "reflect"
        return jnp.pad(inputs, [(0, 0), *pads, (0, 0)], mode=mode), "VALID"
    if padding == "CAUSAL":
        if len(size) != 1:
            raise ValueError(f"padding='CAUSAL' is for one axis, got a kernel of {tuple(size)}.")
        return inputs, [(reach[0], 0)]
    return inputs, padding.upper() if isinstance(padding, str) else padding  # As JAX takes it.


def check_groups(groups: int, channels: int, features: int) -> None:
    """Raises a ValueError if channels or features cannot be split into groups."""
    if groups < 1 or channels % groups or features % groups:
        raise ValueError(
            f"feature_group_count must divide the channels ({channels}) and the features "
            f"({features}), got {groups}."
        )


def _split_groups(patches: jax.Array, channels: int, groups: int) -> jax.Array:
    """Patches as ``(..., groups, in)``: the channels are split, each with all kernel entries."""
    split = patches.reshape(*patches.shape[:-1], -1, groups, channels // groups)
    return jnp.moveaxis(split, -2, -3).reshape(*patches.shape[:-1], groups, -1)


def _each(value: PerAxis, axes: Sequence) -> tuple[int, ...]:
    """One number for each axis, from one for all, one for each, or None for 1."""
    if value is None or isinstance(value, int):
        return (1 if value is None else value,) * len(axes)
    return tuple(value)
