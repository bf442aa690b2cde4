"""A device that takes any change exactly."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from analogjax.devices._cells import Cells
from analogjax.devices._check import check_device
from analogjax.devices._device import Device, Real


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Ideal(Device):
    r"""The exact update in floating point: no pulses, no bounds, no noise.

    .. math:: W \leftarrow W - \lambda\, x\, \delta^T

    For control experiments: every pulse scheme adds the wanted change as it is and counts no
    pulses, so that a rule does on this device what its digital counterpart does. A single pulse,
    where one is asked for, moves the weight by ``dw_min``.

    Attributes:
      dw_min: weight step of one pulse, and the unit in which mixed precision writes.

    Raises:
      ValueError: by ``sample``, if ``dw_min`` is not positive.

    Reference: none needed; "floating point" in the tables of the papers.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import Ideal
      >>> from analogjax.pulses import BatchedPulses
      >>> device, key = Ideal(), jax.random.key(0)
      >>> cells, w = device.sample(key, (1, 1)), jnp.zeros((1, 1))
      >>> x, d = jnp.full((1, 1), 3.0), jnp.full((1, 1), -7.0)
      >>> BatchedPulses().apply(key, device, cells, w, x, d, 1.0).item()
      21.0
    """

    pulsed: ClassVar[bool] = False

    dw_min: Real = 0.001

    @property
    def granularity(self) -> Real:
        """The weight step the pulse generator reckons with: ``dw_min``."""
        return self.dw_min

    @property
    def n_states(self) -> float:
        """Infinitely many."""
        return float("inf")

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Cells:
        """The constants of any number of crosspoints, all alike: scalars without bounds."""
        del key, shape
        check_device(self)
        # Arrays of their own, so that a state can be donated.
        bound = jnp.asarray(jnp.inf)
        return Cells(jnp.array(self.dw_min), jnp.array(self.dw_min), bound, -bound)

    def steps(self, cells: Cells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Sizes of the next up and the next down pulse: ``dw_min``."""
        step = jnp.broadcast_to(cells.step_up, jnp.shape(w))
        return step, step

    def apply_pulse(
        self, key: jax.Array | None, cells: Cells, w: jax.Array, direction: jax.Array
    ) -> jax.Array:
        """The weights after one pulse of ``dw_min``, up (+1), down (-1) or none (0)."""
        del key
        return self.pulse(cells, w, direction, jnp.zeros(()))

    def pulse(self, cells: Cells, w: jax.Array, direction: jax.Array, xi: jax.Array) -> jax.Array:
        """The weights after one pulse; as :meth:`apply_pulse`, since there is no noise."""
        del xi
        return w + cells.step_up * direction
