"""Several conductances at each crosspoint, which add up to the weight."""

import dataclasses
import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices._cells import AnyCells, is_concrete
from analogjax.devices._check import check_device
from analogjax.devices._device import Real
from analogjax.devices._pulsed import PulsedDevice
from analogjax.devices._unit_cell import UnitCell, age_each, check_parts, sample_each_ageing

UpdatePolicy = Literal["all", "in_turn", "random"]


class Conductances(NamedTuple):
    """The conductances of every crosspoint.

    Attributes:
      parts: their values, ``(in, out)`` each.
      turn: int32 number of the one that takes the next pulse, ``(in, out)``; None if they do not
        take turns.
    """

    parts: tuple[jax.Array, ...]
    turn: jax.Array | None = None


class VectorCells(NamedTuple):
    """The constants of all conductances.

    Attributes:
      parts: those of each of them.
      significance: what each is multiplied by in the weight.
    """

    parts: tuple[AnyCells, ...]
    significance: tuple[jax.Array, ...]

    def weight(self, w: Conductances) -> jax.Array:
        """Their scaled sum: what a product with the array sees."""
        return _total(s * part for s, part in zip(self.significance, w.parts, strict=True))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorCell(UnitCell):
    r"""A weight :math:`w = \sum_k s_k w_k` of several conductances at each crosspoint.

    Of equal significance, they average out one another's variation (multi-memristive synapses);
    of falling significance, the small ones fill in between the steps of the large ones
    ("super-resolution"). A pulse goes to all of them at once, to one of them in turn, counted at
    each crosspoint, or to one chosen at random. Where simulators choose one for all pulses of a
    sample instead, the means agree and single updates differ.

    The granularity is the mean change of the weight by one pulse, :math:`\sum_k s_k g_k` if it goes
    to all and :math:`\frac1K\sum_k s_k g_k` if it goes to one of K. A programmed weight is shared
    equally, :math:`w_k = w / \sum_k s_k`, each clipped to its bounds.

    Attributes:
      devices: what each of the conductances is made of.
      significance: the :math:`s_k`, positive; by default :math:`1/K` each.
      update_policy: which of them a pulse goes to: ``all``, ``in_turn`` or ``random``.

    Raises:
      ValueError: by ``sample``, if a field is out of its range, or there is not one significance
        for each device.

    Reference: Boybat et al., "Neuromorphic computing with multi-memristive synapses", Nat. Commun.
    9:2514 (2018), for taking turns; Rasch et al., "A flexible and fast PyTorch toolkit for
    simulating training and inference on analog crossbar arrays", AICAS (2021), for the others.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds, VectorCell
      >>> one = SoftBounds.with_states(4).without_variation()
      >>> cell = VectorCell(devices=(one, one), update_policy="in_turn")
      >>> cells = cell.sample(jax.random.key(0), (1, 1))
      >>> w = cell.program(cells, jnp.zeros((1, 1)))
      >>> for _ in range(3):
      ...     w = cell.apply_pulse(None, cells, w, 1)
      ...     print(cells.weight(w).item())
      0.25
      0.5
      0.625
      >>> cell.n_states
      8.0
    """

    devices: tuple[PulsedDevice, ...]
    significance: tuple[Real, ...] | None = None
    update_policy: UpdatePolicy = dataclasses.field(default="all", metadata={"static": True})

    @property
    def _shares(self) -> tuple[Real, ...]:
        if self.significance is not None:
            return self.significance
        return len(self.devices) * (1 / len(self.devices),)

    def _sum(self, values) -> Any:
        """The sum of the values, one for each conductance, scaled by their significance."""
        return _total(s * value for s, value in zip(self._shares, values, strict=True))

    @property
    def num_normals(self) -> int:
        """One for each conductance that moves, and one to choose it at random."""
        return {"all": len(self.devices), "in_turn": 1, "random": 2}[self.update_policy]

    @property
    def granularity(self) -> Real:
        """The mean change of the weight by one pulse."""
        total = self._sum(device.granularity for device in self.devices)
        return total if self.update_policy == "all" else total / len(self.devices)

    @property
    def n_states(self) -> Real:
        """The range of the weight in units of the granularity."""
        return self._sum(device.w_max - device.w_min for device in self.devices) / self.granularity

    @property
    def write_noise(self) -> Real:
        """That of the scaled sum."""
        parts = zip(self._shares, self.devices, strict=True)
        return sum((s * device.write_noise) ** 2 for s, device in parts) ** 0.5

    def check_fields(self) -> None:
        """Raises a ValueError if the significances or the policy are not ones the cell can have."""
        if not isinstance(self.devices, tuple) or not self.devices:
            raise ValueError(
                f"VectorCell.devices must be a tuple of at least one device, got {self.devices!r}."
            )
        check_parts(self, self.devices)
        if len(self._shares) != len(self.devices):
            raise ValueError(
                f"VectorCell needs one significance for each of its devices, got "
                f"{len(self._shares)} for {len(self.devices)} devices."
            )
        seen = [s for s in self._shares if is_concrete(s)]
        if not all(np.all(np.asarray(s) > 0) for s in seen):
            raise ValueError(f"VectorCell.significance must be positive, got {self.significance}.")
        if self.update_policy not in UpdatePolicy.__args__:  # type: ignore[attr-defined]
            raise ValueError(
                f"VectorCell.update_policy must be 'all', 'in_turn' or 'random', got "
                f"{self.update_policy!r}."
            )
        super().check_fields()

    def without_variation(self) -> "VectorCell":
        """The same conductances, all crosspoints alike."""
        return dataclasses.replace(
            self, devices=tuple(device.without_variation() for device in self.devices)
        )

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> VectorCells:
        """The constants of all conductances of ``shape`` crosspoints."""
        check_device(self)
        keys = jax.random.split(key, len(self.devices))
        parts = (device.sample(k, shape) for device, k in zip(self.devices, keys, strict=True))
        # Copies, so that the states of several tiles can be donated.
        return VectorCells(tuple(parts), tuple(jnp.array(s, jnp.float32) for s in self._shares))

    def sample_ageing(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Any, ...] | None:
        """How each of the conductances ages; None if none of them does."""
        return sample_each_ageing(self.devices, key, shape)

    def apply_ageing(self, key, cells: VectorCells, ageing, w: Conductances) -> Conductances:
        """The conductances one mini-batch later, each aged by itself."""
        return w._replace(parts=age_each(self.devices, key, cells.parts, ageing, w.parts))

    def program(self, cells: VectorCells, w: jax.Array) -> Conductances:
        """The conductances when asked to hold ``w``: equal shares, each clipped to its bounds."""
        share = w / sum(cells.significance)
        parts = zip(self.devices, cells.parts, strict=True)
        turn = jnp.zeros(jnp.shape(w), jnp.int32) if self.update_policy == "in_turn" else None
        return Conductances(tuple(device.program(own, share) for device, own in parts), turn)

    def steps(self, cells: VectorCells, w: Conductances) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse; their means, if random."""
        each = [
            device.steps(own, part)
            for device, own, part in zip(self.devices, cells.parts, w.parts, strict=True)
        ]
        shares = zip(cells.significance, each, strict=True)
        ups, downs = zip(*((s * up, s * down) for s, (up, down) in shares), strict=True)
        if w.turn is not None:
            return _choose(w.turn, ups), _choose(w.turn, downs)
        moved = 1 if self.update_policy == "all" else len(each)
        return _total(ups) / moved, _total(downs) / moved

    def apply_pulse(self, key: jax.Array | None, cells: VectorCells, w, direction) -> Conductances:
        """As of every unit cell; a pulse that goes to one at random needs a key."""
        if key is None and self.update_policy == "random":
            raise ValueError("A VectorCell with update_policy 'random' needs a key for its pulses.")
        return super().apply_pulse(key, cells, w, direction)

    def pulse(self, cells: VectorCells, w: Conductances, direction, xi) -> Conductances:
        """The conductances after one pulse, with given standard normal numbers as noise.

        One number for each of them if the pulse goes to all, else one, and before it the one that
        chooses at random, by inversion of its law.
        """
        many = len(self.devices)
        if self.update_policy == "all":
            noise, directions = xi if many > 1 else [xi], many * [direction]
        else:
            choice, own = xi if self.update_policy == "random" else (None, xi)
            turn = w.turn if choice is None else _uniform_index(choice, many)
            noise = many * [own]
            directions = [jnp.where(turn == k, direction, 0) for k in range(many)]
        moved = [
            device.pulse(own_cells, part, *inputs)
            for device, own_cells, part, *inputs in zip(
                self.devices, cells.parts, w.parts, directions, noise, strict=True
            )
        ]
        turn = w.turn if w.turn is None else (w.turn + (jnp.asarray(direction) != 0)) % many
        return Conductances(tuple(moved), turn)


def _total(values: Iterable) -> Any:
    return functools.reduce(operator.add, values)


def _choose(number: jax.Array, values: Sequence[jax.Array]) -> jax.Array:
    shape = jnp.broadcast_shapes(number.shape, *map(jnp.shape, values))
    return jnp.choose(number, [jnp.broadcast_to(value, shape) for value in values])


def _uniform_index(xi: jax.Array, many: int) -> jax.Array:
    """A number from 0 to ``many - 1``, all equally likely, from a standard normal number."""
    index = jnp.floor(many * jax.scipy.stats.norm.cdf(xi)).astype(jnp.int32)
    return jnp.minimum(index, many - 1)
