"""Numbers that may be schedules, and numbers that come one for each tile."""

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from analogjax.devices import check_count, is_concrete
from analogjax.rules._checks import check_range, check_rate


def value_at(rate, count: jax.Array):
    """The rate at a step: itself, or what its schedule gives."""
    return rate(count) if callable(rate) else rate


def is_several(value) -> bool:
    """Whether there is one for each tile: a sequence or an array, no number and no schedule."""
    sequence = isinstance(value, Sequence) and not isinstance(value, str)
    return sequence or getattr(value, "ndim", 0) > 0


def scales(gamma: Any, num_tiles: int, *, open_low: bool) -> jax.Array:
    """The significance of each tile, from gamma (tile n has its nth power) or from all of them.

    Raises:
      ValueError: if there are more or fewer of them than tiles, the first is not 1, or one is
        outside of (0, 1], or [0, 1] if not ``open_low``.
    """
    if not is_several(gamma):
        gamma = check_range("gamma", gamma, 0.0, 1.0, open_low=open_low)
        return jnp.asarray(gamma, jnp.float32) ** jnp.arange(num_tiles, dtype=jnp.float32)
    if len(gamma) != num_tiles:
        raise ValueError(
            f"gamma has {len(gamma)} significances for {num_tiles} tiles: give one for each, the "
            f"most significant tile's first, or one number whose powers they are."
        )
    parts = [check_range("gamma", part, 0.0, 1.0, open_low=open_low) for part in gamma]
    if is_concrete(gamma[0]) and gamma[0] != 1:
        raise ValueError(
            f"gamma must start with 1, the significance of the tile that holds the initial "
            f"weights, got {gamma}: divide all of them by the first."
        )
    several = jnp.stack([jnp.asarray(part, jnp.float32) for part in parts])
    return several if is_concrete(gamma[0]) else jnp.where(several[0] == 1, several, jnp.nan)


def periods(transfer_every, transfers: int) -> tuple[int, ...]:
    """The steps between two transfers into each tile but the last.

    Raises:
      ValueError: if there are more or fewer than transfers, one is below 1, or they do not increase
        towards the most significant tile.
    """
    if not is_several(transfer_every):
        nested = check_count("transfer_every", transfer_every)
        # Steps are counted in int32: what is longer never comes.
        several = tuple(min(nested ** (transfers - n), 2**31 - 1) for n in range(transfers))
    else:
        several = tuple(check_count("transfer_every", period) for period in transfer_every)
    if len(several) != transfers:
        raise ValueError(
            f"transfer_every has {len(several)} periods {several}; {transfers + 1} tiles make "
            f"{transfers} transfers."
        )
    longest = 2**31 - 1
    if any(a <= b and b < longest for a, b in itertools.pairwise(several)):
        raise ValueError(
            f"transfer_every must increase towards the most significant tile, whose period comes "
            f"first, got {transfer_every} for {transfers} transfers: a tile must have gathered "
            f"something before it is passed on."
        )
    return several


def rates(transfer_lr, transfers: int) -> tuple:
    """The rate of the transfers into each tile but the last, numbers or schedules.

    Raises:
      ValueError: if there are more or fewer than transfers, or one is negative.
    """
    several = tuple(transfer_lr) if is_several(transfer_lr) else (transfer_lr,) * transfers
    if len(several) != transfers:
        raise ValueError(
            f"transfer_lr has {len(several)} rates {several}; {transfers + 1} tiles make "
            f"{transfers} transfers."
        )
    return tuple(check_rate("transfer_lr", rate) for rate in several)
