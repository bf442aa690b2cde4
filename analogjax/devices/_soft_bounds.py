"""A device whose steps shrink linearly towards its bounds."""

import dataclasses

import jax
import jax.numpy as jnp

from analogjax.devices._cells import Cells
from analogjax.devices._pulsed import PulsedDevice


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class SoftBounds(PulsedDevice):
    r"""Steps shrink linearly to zero at the bounds: the asymmetric linear device (ALD).

    .. math::
      \Delta_\uparrow = u (1 - w / b^+), \qquad \Delta_\downarrow = v (1 - w / b^-)

    each times :math:`1 + dw_{min,std}\xi` (``mult_noise``), or with :math:`u`, :math:`v` alone
    made noisy, so that the noise does not shrink at the bounds. The symmetric point, where both
    steps are equal, is :math:`(u - v) / (u/b^+ - v/b^-)`. The other fields are those of
    :class:`PulsedDevice`.

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

    mult_noise: bool = dataclasses.field(default=True, metadata={"static": True})

    def steps(self, cells: Cells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse, linear in w."""
        up = cells.step_up * (1.0 - _relative(w, cells.w_max))
        down = cells.step_down * (1.0 - _relative(w, cells.w_min))
        return up, down

    def noise_scale(self, cells: Cells, size: jax.Array, direction: jax.Array) -> jax.Array:
        """What ``dw_min_std`` is relative to: the step, or u and v if not ``mult_noise``."""
        if self.mult_noise:
            return size
        return jnp.where(direction > 0, cells.step_up, cells.step_down)


def _relative(w, bound):
    """``w / bound``, and 0 where the bound is 0: such a cell has no slope."""
    return jnp.where(bound == 0, 0.0, w / jnp.where(bound == 0, 1.0, bound))
