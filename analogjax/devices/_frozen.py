"""A device that holds what it was programmed to."""

import dataclasses
from typing import Any, ClassVar

import jax

from analogjax.devices._cells import AnyCells
from analogjax.devices._check import check_device
from analogjax.devices._device import Device, Real, Weights


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Frozen(Device):
    r"""A device that no update moves: its lines are switched off, and no pulse is sent.

    .. math:: W \leftarrow W

    Given to a rule in place of one of its devices, it freezes that tile. Everything else is as with
    the device itself, crosspoint by crosspoint, so that a training can go on from the state of one
    with the other. Its ageing goes on, too, but not the refresh of a :class:`OneSidedPair`, which
    would send pulses.

    Attributes:
      device: what the crosspoints are made of.

    Raises:
      ValueError: by ``sample``, if a field of the device is out of its range.

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import Frozen, SoftBounds
      >>> device = SoftBounds.with_states(10)
      >>> params, grads = {"w": jnp.full((2, 2), 0.2)}, {"w": jnp.ones((2, 2))}
      >>> rule = analogjax.analog_sgd(0.5, Frozen(device=device), key=0)
      >>> updates, state = rule.update(grads, rule.init(params), params)
      >>> bool((updates["w"] == 0).all())
      True
    """

    pulsed: ClassVar[bool] = False

    device: Device

    @property
    def granularity(self) -> Real:
        """That of the device."""
        return self.device.granularity

    @property
    def n_states(self) -> Real:
        """Those of the device."""
        return self.device.n_states

    @property
    def num_normals(self) -> int:
        """Those of the device."""
        return self.device.num_normals

    @property
    def write_noise(self) -> Real:
        """That of the device, of what it was programmed to."""
        return self.device.write_noise

    def without_variation(self) -> "Frozen":
        """The frozen mean device."""
        return Frozen(device=self.device.without_variation())

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> AnyCells:
        """The constants of the device."""
        check_device(self)
        return self.device.sample(key, shape)

    def program(self, cells: AnyCells, w: jax.Array) -> Weights:
        """The weights that the device holds when asked to hold ``w``."""
        return self.device.program(cells, w)

    def add(self, cells: AnyCells, w: Weights, change: jax.Array) -> Weights:
        """The weights as they are."""
        del cells, change
        return w

    def steps(self, cells: AnyCells, w: Weights) -> tuple[jax.Array, jax.Array]:
        """Those of the device, were it not frozen."""
        return self.device.steps(cells, w)

    def symmetric_point(self, cells: AnyCells) -> jax.Array:
        """That of the device."""
        return self.device.symmetric_point(cells)

    def sample_ageing(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """That of the device."""
        return self.device.sample_ageing(key, shape)

    def apply_ageing(self, key: jax.Array, cells: AnyCells, ageing: Any, w: Weights) -> Weights:
        """That of the device, but for what sends pulses."""
        return self.device.at_rest().apply_ageing(key, cells, ageing, w)

    def apply_pulse(self, key: jax.Array | None, cells: AnyCells, w: Weights, direction) -> Weights:
        """The weights as they are."""
        del key
        return self.pulse(cells, w, direction, None)

    def pulse(self, cells: AnyCells, w: Weights, direction, xi) -> Weights:
        """The weights as they are."""
        del cells, direction, xi
        return w
