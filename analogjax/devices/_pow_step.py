"""A device whose steps are a power of the distance to its bounds."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices._cells import Cells, spread, two_sided
from analogjax.devices._check import check_finite_bounds
from analogjax.devices._draws import draw_normal
from analogjax.devices._pulsed import PulsedDevice, Real


class PowCells(NamedTuple):
    """:class:`~analogjax.devices.Cells` with the exponents of each crosspoint.

    Attributes:
      step_up: weight added by one up pulse at the lower bound, in units of the weight.
      step_down: weight removed by one down pulse at the upper bound, in units of the weight.
      w_max: as in ``Cells``.
      w_min: as in ``Cells``.
      exponent_up: exponent of the up step.
      exponent_down: exponent of the down step.
    """

    step_up: jax.Array
    step_down: jax.Array
    w_max: jax.Array
    w_min: jax.Array
    exponent_up: jax.Array
    exponent_down: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class PowStep(PulsedDevice):
    r"""Steps are a power of the distance to the bounds, relative to the whole range.

    .. math::
      \Delta_\uparrow = u \left(\frac{b^+ - w}{b^+ - b^-}\right)^{g_\uparrow}, \qquad
      \Delta_\downarrow = v \left(\frac{w - b^-}{b^+ - b^-}\right)^{g_\downarrow}

    each times :math:`1 + dw_{min,std}\xi`. With :math:`t = pow\_gamma_{dtod}\xi` and
    :math:`\rho = pow\_up\_down_{dtod}\xi`, shared by both directions,
    :math:`g_\uparrow = \gamma(1 + t + \rho + \min(pow\_up\_down, 0))` and
    :math:`g_\downarrow = \gamma(1 + t - \rho - \max(pow\_up\_down, 0))`. Here ``dw_min`` is the
    largest step; the granularity is :math:`dw_{min} / 2^\gamma`, the step in the middle of the
    range. The other fields are those of :class:`~analogjax.devices.PulsedDevice`.

    Attributes:
      pow_gamma: mean exponent :math:`\gamma`; 1 is as soft bounds.
      pow_gamma_dtod: relative spread of the exponents across crosspoints.
      pow_up_down: mean imbalance of the two exponents, relative.
      pow_up_down_dtod: spread of that imbalance across crosspoints, relative.

    Raises:
      ValueError: by ``sample``, if a field is out of its range, or a bound infinite.

    Reference: Fusi and Abbott, "Limits on the memory storage capacity of bounded synapses", Nat.
    Neurosci. 10:485 (2007); Frascaroli et al., Sci. Rep. 8:7178 (2018).

    Example:
      >>> import jax
      >>> from analogjax.devices import PowStep
      >>> device = PowStep(dw_min=0.4, w_max=1.0, w_min=-1.0, pow_gamma=2.0).without_variation()
      >>> cells = device.sample(jax.random.key(0), (1, 1))
      >>> device.granularity, device.n_states
      (0.1, 20.0)
      >>> round(device.apply_pulse(None, cells, jax.numpy.zeros((1, 1)), 1).item(), 3)
      0.1
    """

    pow_gamma: Real = 1.0
    pow_gamma_dtod: Real = 0.1
    pow_up_down: Real = 0.0
    pow_up_down_dtod: Real = 0.0

    @property
    def granularity(self) -> Real:
        """The weight step the pulse generator reckons with: that in the middle of the range."""
        return self.dw_min * 0.5**self.pow_gamma

    def check_fields(self) -> None:
        """Raises a ValueError if a bound is infinite: there is no relative distance to it."""
        super().check_fields()
        check_finite_bounds(self)

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> PowCells:
        """Draws the constants of ``shape`` crosspoints; the exponents, too."""
        xi = draw_normal(jax.random.fold_in(key, 3), (2, *shape))
        gain = 1.0 + spread(xi[0], self.pow_gamma_dtod)
        imbalance = spread(xi[1], self.pow_up_down_dtod)
        up, down = two_sided(self.pow_gamma, gain, imbalance, self.pow_up_down)
        if self.enforce_consistency:
            up, down = jnp.abs(up), jnp.abs(down)
        common: Cells = super().sample(key, shape)
        return PowCells(*common, up, down)

    def steps(self, cells: PowCells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse."""
        up = _power(cells, cells.w_max - w, cells.exponent_up)
        down = _power(cells, w - cells.w_min, cells.exponent_down)
        return cells.step_up * up, cells.step_down * down


def _power(cells: PowCells, distance, exponent):
    """A power of the distance relative to the range; 1 in a range of no width."""
    width = cells.w_max - cells.w_min
    alive = width > 0
    relative = jnp.where(alive, jnp.maximum(distance, 0.0) / jnp.where(alive, width, 1.0), 1.0)
    # Without enforced consistency an exponent may be negative, and its step end in infinity.
    return jnp.minimum(relative**exponent, 1e6)
