"""A soft-bounds device that is read against a fixed reference."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices._cells import Cells, is_zero, ratio
from analogjax.devices._draws import draw_normal
from analogjax.devices._linear_response import LinearResponse
from analogjax.devices._pulsed import Real
from analogjax.devices._referenced import ReferencedDevice


class ReferenceCells(NamedTuple):
    """:class:`~analogjax.devices.Cells` with the reference of each crosspoint.

    Attributes:
      step_up: as in ``Cells``.
      step_down: as in ``Cells``.
      w_max: largest reachable weight, the upper bound of the conductance less the reference.
      w_min: smallest reachable weight, likewise.
      reference: conductance subtracted from the crosspoint's own, in units of the weight.
    """

    step_up: jax.Array
    step_down: jax.Array
    w_max: jax.Array
    w_min: jax.Array
    reference: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class SoftBoundsReference(ReferencedDevice, LinearResponse):
    r"""Soft bounds with a reference subtracted, for devices calibrated to their symmetric point.

    With the conductance :math:`x = w + r` and its bounds :math:`b^\pm`,

    .. math::
      \Delta_\uparrow = u (1 - x / b^+ + dw_{min,std}\xi), \qquad
      \Delta_\downarrow = v (1 - x / b^- + dw_{min,std}\xi),

    or, with ``mult_noise``, each step times :math:`1 + dw_{min,std}\xi`. The symmetric point is
    :math:`x_\diamond = (u - v) / (u/b^+ - v/b^-)`. The other fields are those of
    :class:`~analogjax.devices.PulsedDevice`.

    Attributes:
      mult_noise: whether pulse-to-pulse noise scales with the whole step.
      slope_up_dtod: spread of the up slope: the upper bound is divided by :math:`|1 + \sigma\xi|`.
      slope_down_dtod: spread of the down slope, likewise.
      reference_mean: mean reference r, in units of the weight.
      reference_std: spread of the reference across crosspoints, in units of the weight.
      subtract_symmetry_point: add each crosspoint's :math:`x_\diamond` to its reference.

    Raises:
      ValueError: by ``sample``, if a field is out of its range.

    Reference: Gong, Rasch et al., "Deep learning acceleration in 14nm CMOS compatible ReRAM array:
    device, material and algorithm co-optimization", IEDM (2022); Rasch, Carta, Fagbohungbe, Gokmen,
    Nat. Commun. 15:7133 (2024), Methods.

    Example:
      >>> import jax
      >>> from analogjax.devices import SoftBoundsReference
      >>> device = SoftBoundsReference(dw_min=0.2, w_max=1.0, w_min=-1.0, reference_mean=0.25)
      >>> device = device.without_variation()
      >>> cells = device.sample(jax.random.key(0), (1, 1))
      >>> round(device.apply_pulse(None, cells, jax.numpy.zeros((1, 1)), 1).item(), 3)
      0.15
      >>> cells.w_max.item(), round(device.symmetric_point(cells).item(), 3)
      (0.75, -0.25)
    """

    mult_noise: bool = dataclasses.field(default=False, metadata={"static": True})
    slope_up_dtod: Real = 0.0
    slope_down_dtod: Real = 0.0

    @property
    def redundant(self) -> tuple[str, ...]:  # type: ignore[override]
        """The imbalance, which shifts only the point that is subtracted, or the mean reference."""
        return ("up_down",) if self.subtract_symmetry_point else super().redundant

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> ReferenceCells:
        """Draws the constants of ``shape`` crosspoints; slopes and references, too."""
        common: Cells = super().sample(key, shape)
        cells = ReferenceCells(*common, reference=jnp.zeros(()))
        xi = draw_normal(jax.random.fold_in(key, 3), (2, *shape))
        straddles = (cells.w_max > 0) & (cells.w_min < 0)
        if not is_zero(self.slope_up_dtod):
            steeper = cells.w_max / jnp.abs(1.0 + self.slope_up_dtod * xi[0])
            cells = cells._replace(w_max=jnp.where(straddles, steeper, cells.w_max))
        if not is_zero(self.slope_down_dtod):
            steeper = cells.w_min / jnp.abs(1.0 + self.slope_down_dtod * xi[1])
            cells = cells._replace(w_min=jnp.where(straddles, steeper, cells.w_min))
        shifted, reference = self.draw_reference(key, cells, shape)
        return shifted._replace(reference=reference)

    def losses(self, cells: ReferenceCells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The fractions of u and of v that are missing at ``w``: all of them at the bounds."""
        r = cells.reference
        return ratio(w + r, cells.w_max + r), ratio(w + r, cells.w_min + r)
