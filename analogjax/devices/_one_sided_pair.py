"""Two conductances that can only be raised, as one weight of either sign."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices._check import check_device
from analogjax.devices._device import Real
from analogjax.devices._pulsed import PulsedDevice
from analogjax.devices._unit_cell import (
    Pair,
    PairCells,
    UnitCell,
    age_each,
    check_parts,
    sample_each_ageing,
)


class PairAgeing(NamedTuple):
    """How the crosspoints age.

    Attributes:
      each: the ageing of the two conductances; None if they do not.
      target: what each is reset to by a refresh.
    """

    each: tuple[Any, ...] | None
    target: Pair


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class OneSidedPair(UnitCell):
    r"""A weight :math:`w = w_+ - w_-` of two conductances, of which pulses raise one or the other.

    Up pulses go to :math:`w_+` and down pulses, as up pulses, to :math:`w_-`. For devices that
    move gradually in one direction only, as phase-change memory does. Crosspoints that near their
    end are refreshed once a mini-batch: where the larger of the two exceeds ``refresh_upper`` of
    its bound and the smaller ``refresh_lower``, both are reset, and the difference is written anew,
    pulse by pulse with a read after each, until none brings it nearer, at most as many as a
    conductance has states. The counters of a tile leave these pulses out. A tile keeps the two in a
    :class:`Pair` in place of one array.

    Attributes:
      device: what each of the two is made of.
      refresh_upper: share of its bound that the larger one must exceed.
      refresh_lower: share of its bound that the smaller one must exceed.

    Raises:
      ValueError, TypeError: by ``sample``, if a field of the device is out of its range, or it has
        no steps of its own.

    Reference: Nandakumar et al., "Mixed-precision deep learning based on computational memory",
    Front. Neurosci. 14:406 (2020), differential pairs and their refresh.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import ConstantStep, OneSidedPair
      >>> device = OneSidedPair(device=ConstantStep(dw_min=0.25).without_variation())
      >>> cells = device.sample(jax.random.key(0), (1, 1))
      >>> w = device.program(cells, jnp.zeros((1, 1)))
      >>> for direction in (1, -1, -1):
      ...     w = device.apply_pulse(None, cells, w, direction)
      >>> w.plus.item(), w.minus.item(), cells.weight(w).item()
      (0.25, 0.5, -0.25)
    """

    device: PulsedDevice
    refresh_upper: Real = 0.75
    refresh_lower: Real = 0.25

    @property
    def granularity(self) -> Real:
        """That of each conductance."""
        return self.device.granularity

    @property
    def n_states(self) -> Real:
        """Those from zero to ``w_max``, for either sign."""
        return 2 * self.device.w_max / self.device.granularity

    @property
    def write_noise(self) -> Real:
        """That of the difference of two conductances."""
        return 2**0.5 * self.device.write_noise

    def check_fields(self) -> None:
        """Raises an error if the device has no steps of its own."""
        check_parts(self, (self.device,))
        super().check_fields()

    def without_variation(self) -> "OneSidedPair":
        """The same pair of conductances that are all alike."""
        return dataclasses.replace(self, device=self.device.without_variation())

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> PairCells:
        """The constants of both conductances of ``shape`` crosspoints."""
        check_device(self)
        return PairCells(*(self.device.sample(k, shape) for k in jax.random.split(key)))

    def sample_ageing(self, key: jax.Array, shape: tuple[int, ...]) -> PairAgeing:
        """How the crosspoints age: each conductance by itself, and the pair by its refresh."""
        key_each, *keys = jax.random.split(key, 3)
        target = Pair(*(jnp.asarray(self.device.sample_reset(k, shape)) for k in keys))
        return PairAgeing(sample_each_ageing(2 * (self.device,), key_each, shape), target)

    def program(self, cells: PairCells, w: jax.Array) -> Pair:
        """The two conductances when asked to hold ``w``: one holds its size, the other nothing."""
        return Pair(
            self.device.program(cells.plus, jnp.maximum(w, 0.0)),
            self.device.program(cells.minus, jnp.maximum(-w, 0.0)),
        )

    def steps(self, cells: PairCells, w: Pair) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse: one of each conductance."""
        plus, _ = self.device.steps(cells.plus, w.plus)
        minus, _ = self.device.steps(cells.minus, w.minus)
        return plus, minus

    def pulse(self, cells: PairCells, w: Pair, direction, xi: jax.Array) -> Pair:
        """The conductances after one pulse, with given standard normal numbers as noise."""
        up, down = jnp.where(direction > 0, 1, 0), jnp.where(direction < 0, 1, 0)
        return Pair(
            self.device.pulse(cells.plus, w.plus, up, xi),
            self.device.pulse(cells.minus, w.minus, down, xi),
        )

    def at_rest(self) -> "OneSidedPair":
        """The pair without its refresh."""
        return dataclasses.replace(self, refresh_upper=jnp.inf)

    def apply_ageing(self, key: jax.Array, cells: PairCells, ageing: PairAgeing, w: Pair) -> Pair:
        """The conductances one mini-batch later: aged each by itself, then refreshed if due."""
        key_each, key_refresh = jax.random.split(key)
        w = Pair(*age_each(2 * (self.device,), key_each, cells, ageing.each, w))
        filled = Pair(w.plus / cells.plus.w_max, w.minus / cells.minus.w_max)
        due = jnp.maximum(*filled) > self.refresh_upper
        due &= jnp.minimum(*filled) > self.refresh_lower
        return jax.lax.cond(
            jnp.any(due),
            lambda: self._refresh(key_refresh, cells, ageing.target, w, due),
            lambda: w,
        )

    def _refresh(self, key, cells: PairCells, target: Pair, w: Pair, due: jax.Array) -> Pair:
        """Resets both conductances where that is due, and writes their difference anew."""
        keys = jax.random.split(key)
        empty = Pair(
            *(self.device.apply_reset(*parts) for parts in zip(keys, cells, w, target, strict=True))
        )
        held = jnp.where(due, cells.weight(w), 0.0)
        start = jax.tree.map(lambda new, old: jnp.where(due, new, old), empty, w)

        def wanted(w):
            """The direction of the pulses that bring a weight nearer to what it held."""
            missing = jnp.where(due, held - cells.weight(w), 0.0)
            up, down = self.steps(cells, w)
            far = jnp.abs(missing) > jnp.where(held > 0, up, down) / 2
            return jnp.where(far & (missing * held > 0), jnp.sign(held), 0.0)

        def one_pulse(carry):
            i, w, pulses = carry
            w = self.apply_pulse(jax.random.fold_in(key, i + 2), cells, w, pulses)
            return i + 1, w, wanted(w)

        return jax.lax.while_loop(
            lambda carry: jnp.any(carry[2] != 0) & (carry[0] < self.n_states / 2),
            one_pulse,
            (jnp.int32(0), start, wanted(start)),
        )[1]
