"""How much of a tile has nowhere left to go."""

import jax
import jax.numpy as jnp

from analogjax.devices import Device
from analogjax.tiles._tile import Tile, weight


def saturation(device: Device, tile: Tile) -> jax.Array:
    """The fraction of crosspoints that are within half a step of one of their bounds.

    Args:
      device: the device of the tile, whose granularity is the step.
      tile: the tile.

    Returns:
      A number in [0, 1].

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import program_tile, saturation
      >>> device = SoftBounds.with_states(10).without_variation()
      >>> tile = program_tile(jax.random.key(0), device, jnp.array([[0.0, 0.95, -1.0, 0.5]]))
      >>> saturation(device, tile).item()
      0.5
    """
    w = weight(tile)
    ends = [
        weight(tile._replace(w=device.program(tile.cells, jnp.full(w.shape, end))))
        for end in (jnp.inf, -jnp.inf)
    ]
    near = [jnp.abs(w - end) <= device.granularity / 2 for end in ends]
    return jnp.mean(near[0] | near[1])
