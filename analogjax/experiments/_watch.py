"""What an analog training may silently suffer from, measured and put into words."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices import Device
from analogjax.rules import PlateauState, nodes_of, tile_stacks
from analogjax.tiles import TileStack, saturation


class Symptoms(NamedTuple):
    """What is watched, by the path of each matrix.

    Attributes:
      saturated: share of the crosspoints of each tile that are at a bound, ``(tiles,)``.
      pulses: pulses that each tile was sent since the start, ``(tiles,)``.
      trains: vector pairs sent to the last tile since the start, and those cut short, ``(2,)``.
      stage: stage of a warm start that waits for plateaus, or None.
    """

    saturated: dict[str, jax.Array]
    pulses: dict[str, jax.Array]
    trains: dict[str, jax.Array]
    stage: jax.Array | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guards:
    """When a run warns.

    Attributes:
      saturation: share of a tile's crosspoints at their bounds, above which it warns.
      cut: share of the pulse trains that were too short, above which it warns.
    """

    saturation: float = 0.5
    cut: float = 0.5

    def warnings(self, found: Symptoms, last: bool) -> dict[str, str]:
        """A warning of each kind there is reason for, of the worst matrix.

        Args:
          found: what was measured after an epoch.
          last: whether it was the last one; some only a whole run gives reason for.
        """
        if not found.pulses:  # Nothing is analog.
            return {}
        during = _saturated(found, self.saturation) | _cut(found, self.cut)
        return during | _still(found) | _never_switched(found) if last else during


GUARDS = Guards()


def watcher(device: Device, axes=None) -> Callable[[Any], Symptoms]:
    """A compiled function that measures them on the state of an optimizer.

    Args:
      device: that of all tiles.
      axes: for a state of several seeds, the axis of each of its leaves that runs over them, or
        None; the measures are then means over the seeds.
    """

    def measure(opt_state) -> Symptoms:
        return symptoms(device, opt_state)

    if axes is None:
        return jax.jit(measure)

    def over_seeds(opt_state) -> Symptoms:
        if not tile_stacks(opt_state):  # Which may leave nothing to map over.
            return measure(opt_state)
        each = jax.vmap(measure, in_axes=(axes,))(opt_state)
        return jax.tree.map(lambda part: part.mean(axis=0), each)

    return jax.jit(over_seeds)


def symptoms(device: Device, opt_state) -> Symptoms:
    """Measures them on the state of an optimizer.

    Args:
      device: that of all tiles.
      opt_state: the state.
    """
    stacks = tile_stacks(opt_state)
    plateaus = nodes_of(opt_state, PlateauState)

    def of_tiles(stack: TileStack) -> jax.Array:
        return jnp.stack([saturation(device, tile) for tile in stack.tiles])

    return Symptoms(
        {name: of_tiles(stack) for name, stack in stacks.items()},
        {name: stack.pulses.total.sum(axis=-1) for name, stack in stacks.items()},
        {name: stack.trains.total[-1, :2] for name, stack in stacks.items()},
        plateaus[0].stage if plateaus else None,
    )


def _saturated(found: Symptoms, limit: float) -> dict[str, str]:
    share, name, tile = max(
        (float(share), name, tile)
        for name, shares in found.saturated.items()
        for tile, share in enumerate(shares)
    )
    if share <= limit:
        return {}
    return {
        "saturation": f"{share:.0%} of the crosspoints of tile {tile} of {name} are at a bound: "
        f"try a lower learning rate or transfer rate, a smaller weight_scale, or more tiles."
    }


def _cut(found: Symptoms, limit: float) -> dict[str, str]:
    share, name = max(
        (float(cut / max(pairs, 1)), name) for name, (pairs, cut) in found.trains.items()
    )
    if share <= limit:
        return {}
    return {
        "cut": f"{share:.0%} of the pulse trains of {name} were too short for the update asked "
        f"for, which was cut: try a lower learning rate, or a longer desired_bl."
    }


def _still(found: Symptoms) -> dict[str, str]:
    still = [
        f"{tile} of {name}"
        for name, pulses in found.pulses.items()
        for tile, sent in enumerate(pulses)
        if sent == 0
    ]
    if not still:
        return {}
    others = f" (and {len(still) - 1} more)" if len(still) > 1 else ""
    return {
        "still": f"Tile {still[0]}{others} was never sent a pulse: try a higher learning rate or "
        f"transfer rate, more epochs, or fewer tiles."
    }


def _never_switched(found: Symptoms) -> dict[str, str]:
    if found.stage is None or found.stage > 0:
        return {}
    return {
        "warm start": "The warm start never left its first stage, since the loss never stopped "
        "falling: try more epochs, or warm_start=stages."
    }
