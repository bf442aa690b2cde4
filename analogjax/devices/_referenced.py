"""Devices that are read against a fixed reference conductance."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from analogjax.devices._cells import AnyCells, spread
from analogjax.devices._draws import draw_normal
from analogjax.devices._pulsed import PulsedDevice, Real


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReferencedDevice(PulsedDevice):
    r"""A device whose weight is what is left of its conductance x after a reference is subtracted.

    .. math:: w = x - r, \qquad r = reference\_mean + reference\_std\, \xi\ (+ x_\diamond)

    Pulses move x within :math:`[b^-, b^+]`, so that w stays within :math:`[b^- - r, b^+ - r]`,
    which is what the cells' ``w_min`` and ``w_max`` are. What is programmed, and what a reset goes
    to, is in units of the weight.

    Attributes:
      reference_mean: mean reference, in units of the weight.
      reference_std: spread of the reference across crosspoints, in units of the weight.
      subtract_symmetry_point: add the symmetric point :math:`x_\diamond` of each crosspoint that
        moves to its reference, so that its weight is symmetric at zero but for the spread.
    """

    reference_mean: Real = 0.0
    reference_std: Real = 0.0
    subtract_symmetry_point: bool = dataclasses.field(default=False, metadata={"static": True})

    @property
    def redundant(self) -> tuple[str, ...]:  # type: ignore[override]
        """The mean reference, which shifts what bounds do, unless the symmetric point shows it."""
        return () if self.subtract_symmetry_point else ("reference_mean",)

    def draw_reference(
        self, key: jax.Array, cells: AnyCells, shape: tuple[int, ...]
    ) -> tuple[AnyCells, jax.Array]:
        """The cells with their bounds relative to a reference, and the reference."""
        xi = draw_normal(jax.random.fold_in(key, 4), shape)
        reference = reference_of(self, self, cells, xi)
        shifted = cells._replace(w_max=cells.w_max - reference, w_min=cells.w_min - reference)
        return shifted, reference


def reference_of(settings: Any, device: PulsedDevice, cells: AnyCells, xi: jax.Array) -> jax.Array:
    """The references of crosspoints, from standard normal numbers.

    Args:
      settings: has ``reference_mean``, ``reference_std`` and ``subtract_symmetry_point``.
      device: what is read against them.
      cells: its constants.
      xi: one number for each crosspoint.
    """
    reference = settings.reference_mean + spread(xi, settings.reference_std)
    if not settings.subtract_symmetry_point:
        return reference
    # What cannot move has no such point, and stays stuck where it is.
    return reference + jnp.where(cells.w_max > cells.w_min, device.symmetric_point(cells), 0.0)
