"""The arrays of a training, as they stand when it ends."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import Conductances, Pair, is_concrete
from analogjax.inference._deployment import Deployment
from analogjax.inference._noise_model import NoiseModel
from analogjax.inference._select import leaves_by_name
from analogjax.rules import leaf_address, tile_stacks
from analogjax.tiles import Tile, TileStack, effective_weight
from analogjax.tiles import read as read_tile


def keep_tiles(
    key: jax.Array, noise: NoiseModel, opt_state: Any, params: Any, *, w_max=None
) -> Deployment:
    r"""The arrays on which a network was trained, left to themselves from now on.

    Each tile of a stack :math:`W = \sum_n s_n W_n` is an array of its own, whose weights drift and
    are read as the noise model says; of crosspoints of several conductances each does, and counts
    as an array: those of a pair with opposite significance, others with their own. Nothing is
    programmed anew, so that a model with programming errors should have them switched off, as in
    ``PCMNoise(prog_noise_scale=0.0)``.

    Args:
      key: a PRNG key, for what is drawn once.
      noise: how the arrays hold their weights.
      opt_state: the state of a rule, alone or within wrappers such as ``optax.partition``.
      params: the parameters after ``apply_updates`` with what the rule has last given; the digital
        ones count. Those before the first update do not fit where programming has clipped weights
        to the bounds of their crosspoints.
      w_max: the weight of a tile at the largest conductance, in units of the device's bounds; the
        largest of each tile by default.

    Returns:
      The network on arrays, to be read at any time with :func:`read`.

    Raises:
      ValueError: if the state holds no tiles, or the parameters are not what its tiles hold.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.inference import PCMNoise, keep_tiles, read
      >>> rule = analogjax.residual_learning(0.1, SoftBounds.with_states(10), key=0, num_tiles=3)
      >>> params = {"kernel": jnp.full((3, 2), 0.5)}
      >>> noise = PCMNoise(prog_noise_scale=0.0)
      >>> deployed = keep_tiles(jax.random.key(0), noise, rule.init(params), params)
      >>> len(deployed.arrays["kernel"])
      3
    """
    stacks = tile_stacks(opt_state)
    if not stacks:
        raise ValueError(
            "The state holds no tiles: give the optimizer's state of an analog rule, such as "
            "analogjax.residual_learning."
        )
    leaves = leaves_by_name(params)
    for name, stack in stacks.items():
        _check_held(name, stack, leaves.get(name))
    arrays, scales = {}, {}
    for name, stack in stacks.items():
        own_key = jax.random.fold_in(key, leaf_address(name))
        arrays[name], scales[name] = _keep_stack(own_key, noise, stack, w_max)
    return Deployment(params, arrays, scales)


def _keep_stack(key, noise: NoiseModel, stack: TileStack, w_max) -> tuple[tuple, jax.Array]:
    """The arrays of one matrix and their significances."""
    arrays: list = []
    scales = []
    for n, tile in enumerate(stack.tiles):
        parts = _conductances(tile)
        limit = _largest(parts) if w_max is None else w_max
        for significance, part in parts:
            arrays.append(noise.program(jax.random.fold_in(key, len(arrays)), part, limit))
            scales.append(significance * stack.scales[n])
    return tuple(arrays), jnp.stack(scales)


def _conductances(tile: Tile) -> list[tuple[Any, jax.Array]]:
    """The arrays that a tile is, with their significances: one for each conductance."""
    offset = 0.0 if tile.offset is None else tile.offset
    if isinstance(tile.w, Pair):
        return [(1.0, tile.w.plus + offset), (-1.0, tile.w.minus)]
    if isinstance(tile.w, Conductances):
        # Write noise is that of the weight; here equal conductances have equal shares of it.
        shares = tile.cells.significance
        own = offset / sum(shares)
        return [(s, part + own) for s, part in zip(shares, tile.w.parts, strict=True)]
    return [(1.0, read_tile(tile))]


def _largest(parts: list[tuple[Any, jax.Array]]) -> jax.Array:
    """The largest size among the arrays of a tile, and 1 if they are empty."""
    largest = jnp.max(jnp.stack([jnp.abs(part).max() for _, part in parts]))
    return jnp.where(largest > 0, largest, 1.0)


def _check_held(name: str, stack: TileStack, leaf) -> None:
    """Raises a ValueError if a parameter that can be seen is not the scaled sum of its tiles."""
    w = effective_weight(stack)
    if leaf is None or leaf.size != w.size:
        raise ValueError(f"The state has tiles of '{name}', {w.shape}, which the parameters lack.")
    if not is_concrete(leaf) or not is_concrete(w):
        return
    if not np.allclose(jnp.ravel(leaf), jnp.ravel(w), rtol=0.02, atol=1e-3):
        raise ValueError(
            f"The parameter '{name}' is not the scaled sum of its tiles: give the parameters after "
            f"the last update (before the first, weights that were clipped to the bounds when they "
            f"were programmed differ), of a rule without choppers or with gamma = 0."
        )
