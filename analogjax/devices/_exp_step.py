"""A device whose steps depend exponentially on its weight."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from analogjax.devices._cells import Cells, is_zero
from analogjax.devices._pulsed import PulsedDevice, Real


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class ExpStep(PulsedDevice):
    r"""Steps with an exponential dependence on the weight, fitted to measured ReRAM and PCM.

    With :math:`z = 2aw/(b^+ - b^-) + b`,

    .. math::
      \Delta_\uparrow = u \max(0, 1 - A_\uparrow e^{\gamma_\uparrow z}), \qquad
      \Delta_\downarrow = v \max(0, 1 - A_\downarrow e^{-\gamma_\downarrow z}).

    Noise of standard deviation :math:`dw_{min,std}(|\Delta| + add + slope\,|w|)` is added to each
    step. The granularity is the down step of the mean device at w = 0, which need not be
    ``dw_min``. The other fields are those of :class:`~analogjax.devices.PulsedDevice`.

    Attributes:
      A_up: prefactor of the exponential of the up step.
      A_down: prefactor of the exponential of the down step.
      gamma_up: exponent of the up step.
      gamma_down: exponent of the down step.
      a: slope of z.
      b: offset of z.
      dw_min_std_add: part of the noise that depends on nothing, in units of the weight.
      dw_min_std_slope: part of the noise that grows with the weight, per unit of the weight.

    Raises:
      ValueError: by ``sample``, if a field is out of its range or if the down step of the mean
        device at w = 0 is zero, so that there is no granularity.

    Reference: Gong et al., "Signal and noise extraction from analog memory elements for
    neuromorphic computing", Nat. Commun. 9:2102 (2018); Nandakumar et al., Front. Neurosci. 14:406
    (2020) for the parts of the noise.

    Example:
      >>> import jax
      >>> from analogjax.devices import ExpStep
      >>> device = ExpStep(dw_min=0.1, A_up=-0.5, A_down=-0.5, b=0.0).without_variation()
      >>> cells = device.sample(jax.random.key(0), (1, 1))
      >>> round(device.apply_pulse(None, cells, jax.numpy.zeros((1, 1)), 1).item(), 3)
      0.15
    """

    redundant: ClassVar[tuple[str, ...]] = ("a", "b")

    A_up: Real = 0.00081
    A_down: Real = 0.36833
    gamma_up: Real = 12.44625
    gamma_down: Real = 12.78785
    a: Real = 0.244
    b: Real = 0.2425
    dw_min_std_add: Real = 0.0
    dw_min_std_slope: Real = 0.0

    @property
    def granularity(self) -> Real:
        """The weight step the pulse generator reckons with: the mean down step at w = 0."""
        down = 1.0 - jnp.maximum(self.up_down, 0.0)
        return self.dw_min * down * _factor(self.A_down, -self.gamma_down * self.b)

    def steps(self, cells: Cells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse; none in a range of no width."""
        width = cells.w_max - cells.w_min
        alive = width > 0
        z = 2.0 * self.a * w / jnp.where(alive, width, 1.0) + self.b
        up = cells.step_up * _factor(self.A_up, self.gamma_up * z)
        down = cells.step_down * _factor(self.A_down, -self.gamma_down * z)
        return jnp.where(alive, up, 0.0), jnp.where(alive, down, 0.0)

    def noise_scale(
        self, cells: Cells, w: jax.Array, size: jax.Array, direction: jax.Array
    ) -> jax.Array:
        """What ``dw_min_std`` is relative to: the step, plus parts that do not depend on it."""
        if is_zero(self.dw_min_std_add) and is_zero(self.dw_min_std_slope):
            return size
        return jnp.abs(size) + self.dw_min_std_add + self.dw_min_std_slope * jnp.abs(w)


def _factor(prefactor, exponent):
    # Far from zero within a narrow range the exponential of a crosspoint would overflow.
    return jnp.maximum(0.0, 1.0 - prefactor * jnp.exp(jnp.minimum(exponent, 60.0)))
