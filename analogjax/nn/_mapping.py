"""How the weight matrix of a layer lies on arrays."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.tiles import part_sizes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mapping:
    r"""How the weight matrix of a layer lies on arrays, and what is digital beside them.

    A layer of weights W and inputs x computes, with the lines of W in parts i of its inputs and j
    of its outputs,

    .. math:: y_j = \sum_i s_{ij}\,\alpha_{ij}\,\mathrm{read}(x_i, K_{ij}) + b_j,
      \qquad \alpha = \max|W_{ij}| / \omega, \qquad K_{ij} = W_{ij} / \alpha_{ij} .

    Each part is an array of its own with its own converters, and a matrix of its own for a rule: a
    parameter ``array_i_j/kernel`` in the place of ``kernel``. The sum, the scales and the bias are
    digital. The scale :math:`\alpha` is fixed when the weights are initialized; the array is sent
    :math:`\delta / \alpha`, not the derivative :math:`\alpha\delta`, so that a step moves W by
    :math:`-\eta\,\delta x^T` whatever the scale.

    Attributes:
      max_input_size: most input lines of an array; None for no limit.
      max_output_size: most output lines of an array; None for no limit.
      weight_scaling_omega: :math:`\omega`, the largest weight on an array; 0 for no scale.
      weight_scaling_columnwise: one :math:`\alpha` for each output line.
      learn_out_scaling: whether there is a scale s to be trained, a digital parameter
        ``array_i_j/out_scale`` that starts at 1.
      out_scaling_columnwise: one s for each output line.
      digital_bias: whether the bias is added digitally; if not, it is one more input line, always
        1, of the arrays (the last line of ``kernel``).

    Reference: Rasch et al., arXiv:2104.02184 and arXiv:2302.08469, whose simulator has the names.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.nn import Mapping
      >>> from analogjax.nn import linen as ann
      >>> layer = ann.Dense(3, mapping=Mapping(max_input_size=2, weight_scaling_omega=0.5))
      >>> variables = layer.init(jax.random.key(0), jnp.ones((1, 4)))
      >>> array = variables["params"]["array_1_0"]["kernel"]
      >>> array.shape, jnp.abs(array).max().item()
      ((2, 3), 0.5)
    """

    max_input_size: int | None = 512
    max_output_size: int | None = 512
    weight_scaling_omega: float = 0.0
    weight_scaling_columnwise: bool = False
    learn_out_scaling: bool = False
    out_scaling_columnwise: bool = False
    digital_bias: bool = True


def check_mapping(mapping: Mapping) -> None:
    """Raises an error if a field is out of its range or does nothing."""
    if not isinstance(mapping, Mapping):
        raise TypeError(
            f"mapping must be an analogjax.nn.Mapping or None, got {type(mapping).__name__}."
        )
    for name in ("max_input_size", "max_output_size"):
        size = getattr(mapping, name)
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
            raise ValueError(
                f"Mapping.{name} must be a whole number from 1 on or None, got {size}."
            )
    omega = mapping.weight_scaling_omega
    if not 0 <= omega < math.inf:
        raise ValueError(
            f"Mapping.weight_scaling_omega must be a finite number of at least 0, got {omega}."
        )
    if mapping.weight_scaling_columnwise and not omega:
        raise ValueError(
            "Mapping.weight_scaling_columnwise needs a weight_scaling_omega above 0, got 0."
        )
    if mapping.out_scaling_columnwise and not mapping.learn_out_scaling:
        raise ValueError("Mapping.out_scaling_columnwise needs learn_out_scaling=True.")


class Part(NamedTuple):
    """What lies on one array: some lines of the weight matrix.

    Attributes:
      name: what the array is called, after the numbers of its part of the inputs and outputs.
      rows: its input lines, from the first to before the last.
      columns: its output lines.
      group: the group of inputs that it sees.
    """

    name: str
    rows: tuple[int, int]
    columns: tuple[int, int]
    group: int

    def of(self, matrix: jax.Array) -> jax.Array:
        """Its part of the whole matrix."""
        return matrix[slice(*self.rows), slice(*self.columns)]


def parts_of(mapping: Mapping, shape: tuple[int, ...], groups: int = 1) -> tuple[Part, ...]:
    """The arrays of a matrix ``(in, out)``; those of each group of outputs are its own."""
    inputs, outputs = shape
    rows = _ranges(part_sizes(inputs, mapping.max_input_size))
    columns = _ranges(part_sizes(outputs // groups, mapping.max_output_size) * groups)
    each = len(columns) // groups
    return tuple(
        Part(f"array_{i}_{j}", row, column, j // each)
        for j, column in enumerate(columns)
        for i, row in enumerate(rows)
    )


def _ranges(sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))


def sum_parts(
    parts: tuple[Part, ...],
    x: jax.Array,
    groups: int,
    multiply: Callable[[Part, jax.Array], jax.Array],
) -> jax.Array:
    """The product with all arrays: summed over parts of the inputs, side by side over outputs.

    Args:
      parts: the arrays.
      x: inputs, ``(..., in)``, or ``(..., groups, in)`` if there are several groups.
      groups: their number.
      multiply: the product with one array of its part of the inputs.

    Returns:
      Outputs, ``(..., out)``.
    """
    columns: dict[int, jax.Array] = {}
    for part in parts:
        own = x if groups == 1 else x[..., part.group, :]
        y = multiply(part, own[..., slice(*part.rows)])
        first = part.columns[0]
        columns[first] = columns[first] + y if first in columns else y
    return jnp.concatenate(list(columns.values()), axis=-1)


def with_bias_line(matrix: jax.Array, bias: jax.Array) -> jax.Array:
    """A weight matrix with the bias as its last input line."""
    return jnp.concatenate([matrix, bias.reshape(1, -1).astype(matrix.dtype)])


def with_constant_input(x: jax.Array) -> jax.Array:
    """Inputs with one more, always 1, for the bias on the arrays."""
    return jnp.concatenate([x, jnp.ones_like(x[..., :1])], axis=-1)
