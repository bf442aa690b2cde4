"""What crosspoints of several conductances share."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices._cells import AnyCells
from analogjax.devices._device import Device
from analogjax.devices._draws import draw_normal
from analogjax.devices._pulsed import PulsedDevice


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnitCell(Device):
    """Several conductances at each crosspoint, which together stand for one weight.

    A tile keeps a NamedTuple of arrays in place of one array of weights, and the ``weight`` method
    of the cells says what they stand for. Write noise is that of the weight, drawn anew as a whole
    whenever one of the conductances is written.
    """

    def symmetric_point(self, cells: AnyCells) -> jax.Array:
        """Not defined: the steps depend on more than the weight.

        Raises:
          ValueError: always, but for cells that override it.
        """
        raise ValueError(
            f"{type(self).__name__} has several conductances a crosspoint and so no one weight "
            f"where steps are equal; ask its parts for their symmetric points."
        )

    def apply_pulse(self, key: jax.Array | None, cells: AnyCells, w: Any, direction) -> Any:
        """The conductances after one pulse, up (+1), down (-1) or none (0).

        Args:
          key: a PRNG key, or None for a pulse without noise.
          cells: constants drawn by :meth:`sample`.
          w: conductances before the pulse, as given by :meth:`program`.
          direction: +1, -1 or 0, of any shape that broadcasts with the weights.
        """
        shape = jnp.broadcast_shapes(jnp.shape(jax.tree.leaves(w)[0]), jnp.shape(direction))
        several = () if self.num_normals == 1 else (self.num_normals,)
        if key is None:
            return self.pulse(cells, w, direction, jnp.zeros(several))
        return self.pulse(cells, w, direction, draw_normal(key, (*several, *shape)))


class Pair(NamedTuple):
    """The two conductances of every crosspoint, ``(in, out)`` each."""

    plus: jax.Array
    minus: jax.Array


class PairCells(NamedTuple):
    """The constants of both conductances."""

    plus: AnyCells
    minus: AnyCells

    def weight(self, w: Pair) -> jax.Array:
        """Their difference: what a product with the array sees."""
        return w.plus - w.minus


def check_parts(cell: UnitCell, devices: Sequence[Device]) -> None:
    """Raises a TypeError if a part of a crosspoint is no device with steps of its own."""
    for device in devices:
        if not isinstance(device, PulsedDevice):
            raise TypeError(
                f"{type(cell).__name__} is made of devices with steps of their own, such as "
                f"SoftBounds, got {type(device).__name__}."
            )


def sample_each_ageing(devices: Sequence[Device], key: jax.Array, shape) -> tuple[Any, ...] | None:
    """How each of the conductances ages; None if none of them does."""
    keys = jax.random.split(key, len(devices))
    ageings = tuple(device.sample_ageing(k, shape) for device, k in zip(devices, keys, strict=True))
    return None if all(ageing is None for ageing in ageings) else ageings


def age_each(
    devices: Sequence[Device], key: jax.Array, cells: Sequence, ageings: Sequence | None, parts
) -> tuple[jax.Array, ...]:
    """The conductances one mini-batch later, each aged by itself."""
    if ageings is None:
        return tuple(parts)
    keys = jax.random.split(key, len(devices))
    return tuple(
        part if ageing is None else device.apply_ageing(k, own, ageing, part)
        for device, k, own, ageing, part in zip(devices, keys, cells, ageings, parts, strict=True)
    )
