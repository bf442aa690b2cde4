"""A power-step device that is read against a fixed reference."""

import dataclasses

import jax

from analogjax.devices._pow_step import PowCells, PowStep
from analogjax.devices._referenced import ReferencedDevice


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class PowStepReference(ReferencedDevice, PowStep):
    r"""Steps as of :class:`PowStep`, of a weight from which a reference is subtracted.

    With the conductance :math:`x = w + r`, :math:`\Delta_\uparrow = u ((b^+ - x) /
    (b^+ - b^-))^{g_\uparrow}` and likewise down. Only distances to the bounds matter, so that it is
    a :class:`PowStep` whose range is shifted to :math:`[b^- - r, b^+ - r]`. The symmetric point is
    the exact one of small steps, not that of a train of alternating pulses, whose last pulse it
    differs from by up to half a step. The other fields are those of :class:`PowStep`.

    Attributes:
      reference_mean: mean reference r, in units of the weight.
      reference_std: spread of the reference across crosspoints, in units of the weight.
      subtract_symmetry_point: add each crosspoint's symmetric point to its reference.

    Raises:
      ValueError: by ``sample``, if a field is out of its range, or a bound infinite.

    Reference: as :class:`PowStep`; Gong, Rasch et al., IEDM (2022), for the reference.

    Example:
      >>> import jax
      >>> from analogjax.devices import PowStepReference
      >>> device = PowStepReference(up_down=0.2, subtract_symmetry_point=True).without_variation()
      >>> cells = device.sample(jax.random.key(0), (1, 1))
      >>> round(abs(device.symmetric_point(cells).item()), 6)
      0.0
    """

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> PowCells:
        """Draws the constants of ``shape`` crosspoints; the references, too."""
        return self.draw_reference(key, super().sample(key, shape), shape)[0]
