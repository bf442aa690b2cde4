"""Devices whose pulse-to-pulse noise may or may not scale with the whole step."""

import dataclasses

import jax
import jax.numpy as jnp

from analogjax.devices._cells import AnyCells
from analogjax.devices._pulsed import PulsedDevice


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultNoiseDevice(PulsedDevice):
    """A device with a choice of noise.

    Attributes:
      mult_noise: whether pulse-to-pulse noise scales with the whole step, or with u and v alone, so
        that it does not shrink where the step does.
    """

    mult_noise: bool = dataclasses.field(default=True, metadata={"static": True})

    def noise_scale(
        self, cells: AnyCells, w: jax.Array, size: jax.Array, direction: jax.Array
    ) -> jax.Array:
        """What ``dw_min_std`` is relative to: the step, or u and v if not ``mult_noise``."""
        if self.mult_noise:
            return size
        return jnp.where(direction > 0, cells.step_up, cells.step_down)
