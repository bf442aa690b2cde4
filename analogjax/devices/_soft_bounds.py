"""A device whose steps shrink linearly towards its bounds."""

import dataclasses
from typing import Self

import jax
import numpy as np

from analogjax.devices._cells import Cells, ratio
from analogjax.devices._check import check_positive
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

    @classmethod
    def with_pulses(
        cls,
        p_max: float = 1000,
        alpha: float = 5e-4,
        *,
        range_min: float = -1.0,
        range_max: float = 1.0,
        **fields,
    ) -> Self:
        r"""The device whose weight goes from one end of a range to the other in ``p_max`` pulses.

        Up pulses from ``range_min`` and down pulses from ``range_max`` give

        .. math::
          w_\uparrow(p) = range_{min} + B (1 - e^{-\alpha p}), \qquad
          w_\downarrow(p) = range_{max} - B (1 - e^{-\alpha p}), \qquad
          B = \frac{range_{max} - range_{min}}{1 - e^{-\alpha p_{max}}}

        exactly, as single pulses that lose :math:`1 - e^{-\alpha}` of the distance to the bound.

        Args:
          p_max: number of pulses over the whole range.
          alpha: curvature per pulse, positive.
          range_min: weight at its lower end.
          range_max: weight at its upper end.
          **fields: any other field of the device, but for bounds, ``dw_min`` and ``up_down``.

        Raises:
          ValueError: if ``p_max`` or ``alpha`` is not positive, or zero is not within the range.

        Example:
          >>> from analogjax.devices import SoftBounds
          >>> device = SoftBounds.with_pulses(100, 0.02)
          >>> round(device.w_max, 4), round(device.dw_min, 4)
          (1.313, 0.026)
        """
        check_positive("p_max", p_max)
        check_positive("alpha", alpha)
        if not range_min < 0 < range_max:
            raise ValueError(
                f"range_min and range_max must lie on either side of 0, got {range_min} and "
                f"{range_max}."
            )
        span = (range_max - range_min) / (1 - np.exp(-alpha * p_max))
        w_max, w_min = range_min + span, range_max - span
        up, down = ((1 - np.exp(-alpha)) * bound for bound in (w_max, -w_min))
        larger = np.maximum(up, down)
        return cls(
            dw_min=float(larger),
            up_down=float((up - down) / larger),
            w_max=float(w_max),
            w_min=float(w_min),
            **fields,
        )

    def losses(self, cells: Cells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The fractions of u and of v that are missing at ``w``: all of them at the bounds."""
        return ratio(w, cells.w_max), ratio(w, cells.w_min)
