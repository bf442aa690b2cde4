"""A conductance and a fixed second one, whose difference is the weight."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices._cells import AnyCells
from analogjax.devices._check import check_device
from analogjax.devices._device import Real
from analogjax.devices._draws import draw_normal
from analogjax.devices._pulsed import PulsedDevice
from analogjax.devices._referenced import reference_of
from analogjax.devices._unit_cell import (
    Pair,
    UnitCell,
    age_each,
    check_parts,
    sample_each_ageing,
)


class ReferencePairCells(NamedTuple):
    """The constants of both conductances.

    Attributes:
      plus: those of the one that is pulsed.
      minus: those of the reference.
      reference: what the reference is programmed to, in units of the weight.
    """

    plus: AnyCells
    minus: AnyCells
    reference: jax.Array

    def weight(self, w: Pair) -> jax.Array:
        """The difference of the two: what a product with the array sees."""
        return w.plus - w.minus


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class ReferencePair(UnitCell):
    r"""A weight :math:`w = w_+ - w_-` of a conductance that pulses move and one that stays.

    .. math:: w_- = reference\_mean + reference\_std\,\xi\ (+ w_\diamond)

    clipped to the bounds of the reference, a device of the same kind with constants of its own.
    No pulse reaches it after it was programmed, but it ages as the other does. Where it need not,
    and its bounds do not matter, :class:`SoftBoundsReference` and :class:`PowStepReference` do the
    same with one number a crosspoint.

    Attributes:
      device: what each of the two is made of.
      reference_mean: mean value programmed to the reference, in units of the weight.
      reference_std: spread of it across crosspoints, in units of the weight.
      subtract_symmetry_point: add the symmetric point :math:`w_\diamond` of the pulsed conductance
        to its reference, so that the weight is symmetric at zero but for the spread.

    Raises:
      ValueError, TypeError: by ``sample``, if a field is out of its range, or the device has no
        steps of its own.

    Reference: Kim et al., "Zero-shifting technique for deep neural network training on resistive
    cross-point arrays", arXiv:1907.10228 (2019).

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import ReferencePair, SoftBounds
      >>> half = SoftBounds.with_states(4, w_max=1.0, w_min=-0.5).without_variation()
      >>> pair = ReferencePair(device=half, subtract_symmetry_point=True)
      >>> cells = pair.sample(jax.random.key(0), (1, 1))
      >>> w = pair.program(cells, jnp.zeros((1, 1)))
      >>> for direction in (1, -1):
      ...     print(round(cells.weight(pair.apply_pulse(None, cells, w, direction)).item(), 3))
      0.375
      -0.375
    """

    device: PulsedDevice
    reference_mean: Real = 0.0
    reference_std: Real = 0.0
    subtract_symmetry_point: bool = dataclasses.field(default=False, metadata={"static": True})

    @property
    def granularity(self) -> Real:
        """That of the pulsed conductance."""
        return self.device.granularity

    @property
    def n_states(self) -> Real:
        """Those of the pulsed conductance."""
        return self.device.n_states

    @property
    def write_noise(self) -> Real:
        """That of the difference of two conductances."""
        return 2**0.5 * self.device.write_noise

    def check_fields(self) -> None:
        """Raises an error if the device has no steps of its own."""
        check_parts(self, (self.device,))
        super().check_fields()

    def without_variation(self) -> "ReferencePair":
        """The same pair of conductances that are all alike."""
        return dataclasses.replace(self, device=self.device.without_variation(), reference_std=0.0)

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> ReferencePairCells:
        """The constants of both conductances of ``shape`` crosspoints, and the reference."""
        check_device(self)
        *keys, key_reference = jax.random.split(key, 3)
        plus, minus = (self.device.sample(k, shape) for k in keys)
        xi = draw_normal(key_reference, shape)
        reference = reference_of(self, self.device, plus, xi)
        return ReferencePairCells(plus, minus, jnp.asarray(reference))

    def sample_ageing(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Any, ...] | None:
        """How each of the conductances ages; None if they do not."""
        return sample_each_ageing(2 * (self.device,), key, shape)

    def program(self, cells: ReferencePairCells, w: jax.Array) -> Pair:
        """The two conductances when asked to hold ``w``, each clipped to its bounds."""
        minus = self.device.program(cells.minus, cells.reference)
        return Pair(self.device.program(cells.plus, w + minus), minus)

    def symmetric_point(self, cells: ReferencePairCells) -> jax.Array:
        """The weight where up and down steps are equal, if the reference is as programmed."""
        minus = self.device.program(cells.minus, cells.reference)
        return self.device.symmetric_point(cells.plus) - minus

    def steps(self, cells: ReferencePairCells, w: Pair) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse."""
        return self.device.steps(cells.plus, w.plus)

    def pulse(self, cells: ReferencePairCells, w: Pair, direction, xi: jax.Array) -> Pair:
        """The conductances after one pulse, with given standard normal numbers as noise."""
        return w._replace(plus=self.device.pulse(cells.plus, w.plus, direction, xi))

    def apply_ageing(self, key: jax.Array, cells: ReferencePairCells, ageing, w: Pair) -> Pair:
        """The conductances one mini-batch later, each aged by itself."""
        return Pair(*age_each(2 * (self.device,), key, cells[:2], ageing, w))
