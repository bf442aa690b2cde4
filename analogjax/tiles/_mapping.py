"""How a weight matrix is laid on arrays: in parts, and in units of what an array can hold."""

import jax
import jax.numpy as jnp


def part_sizes(size: int, largest: int | None) -> tuple[int, ...]:
    r"""The sizes of the fewest near-equal parts, none larger than ``largest``.

    Of :math:`n = \lceil size / largest\rceil` parts each has :math:`\lfloor size / n\rfloor` lines,
    the first ``size mod n`` of them one more.

    Args:
      size: number of lines.
      largest: that of an array, or None for no limit.

    Returns:
      Sizes that add up to ``size``.

    Reference: the mapping of AIHWKit 1.1.0 (Rasch et al., arXiv:2104.02184).

    Example:
      >>> from analogjax.tiles import part_sizes
      >>> part_sizes(1152, 512), part_sizes(1000, 300), part_sizes(512, 512)
      ((384, 384, 384), (250, 250, 250, 250), (512,))
    """
    parts = 1 if largest is None else -(-size // largest)
    base, longer = divmod(size, parts)
    return (base + 1,) * longer + (base,) * (parts - longer)


def weight_scale(w: jax.Array, omega, *, columnwise: bool = False) -> jax.Array:
    r"""The digital scale :math:`\alpha = \max|W| / \omega` with which an array holds W / alpha.

    Args:
      w: weights, ``(in, out)``.
      omega: largest weight on the array, in units of its bounds.
      columnwise: one scale for each output rather than one for all.

    Returns:
      The scale, ``()`` or ``(out,)``; 1 where all weights are zero.

    Reference: Rasch et al., arXiv:2302.08469, Methods.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.tiles import weight_scale
      >>> w = jnp.array([[0.25, -1.0], [0.5, 0.5]])
      >>> weight_scale(w, 0.5).item(), weight_scale(w, 0.5, columnwise=True).tolist()
      (2.0, [1.0, 2.0])
    """
    size = jnp.max(jnp.abs(w), axis=0 if columnwise else None).astype(jnp.float32)
    return jnp.where(size > 0, size / omega, 1.0)
