"""A device whose steps shrink linearly towards its bounds."""

import dataclasses

import jax

from analogjax.devices._cells import Cells, ratio
from analogjax.devices._linear_response import LinearResponse


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class SoftBounds(LinearResponse):
    r"""Steps shrink linearly to zero at the bounds: the asymmetric linear device (ALD).

    .. math::
      \Delta_\uparrow = u (1 - w / b^+), \qquad \Delta_\downarrow = v (1 - w / b^-)

    each times :math:`1 + dw_{min,std}\xi` (``mult_noise``), or with :math:`u`, :math:`v` alone
    made noisy, so that the noise does not shrink at the bounds. The symmetric point, where both
    steps are equal, is :math:`(u - v) / (u/b^+ - v/b^-)`. The other fields are those of
    :class:`~analogjax.devices.PulsedDevice`.

    Attributes:
      mult_noise: whether pulse-to-pulse noise scales with the whole step.

    Reference: Onen et al., "Neural network training with asymmetric crosspoint elements",
    Front. Artif. Intell. 5:891624 (2022); Wu et al., arXiv:2406.12774, section 2.

    Example:
      >>> import jax
      >>> from analogjax.devices import SoftBounds
      >>> device = SoftBounds.with_states(4).without_variation()
      >>> cells = device.sample(jax.random.key(0), (1, 1))
      >>> w = jax.numpy.zeros((1, 1))
      >>> for _ in range(3):
      ...     w = device.apply_pulse(None, cells, w, 1)
      ...     print(w.item())
      0.5
      0.75
      0.875
    """

    def losses(self, cells: Cells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The fractions of u and of v that are missing at ``w``: all of them at the bounds."""
        return ratio(w, cells.w_max), ratio(w, cells.w_min)
