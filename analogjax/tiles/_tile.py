"""One array of crosspoints, what a read of it gives, and what time does to it."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import AnyCells, Device, draw_normal, is_zero
from analogjax.pulses import Sent

# What a tile draws of its own from the key of its crosspoints, beyond what devices use, ...
_AGEING, _PROGRAMMED = 100, 101
# ... and from the key of an update, far from what the pulse schemes use.
_WRITTEN, _AGED, _AGED_OFFSET = (np.uint32(2**32 - n) for n in (1, 2, 3))


class Tile(NamedTuple):
    """One array of crosspoints.

    Attributes:
      w: its weights, ``(in, out)``, float32, in units of the device's bounds: what pulses move. A
        crosspoint of several conductances has a NamedTuple of such arrays.
      cells: the constants of its crosspoints; if they have several conductances, their method
        ``weight`` says what these stand for.
      offset: write noise, what a read gives beyond ``w`` until the next pulse; None without it.
      ageing: how its crosspoints age; None if they do not.
    """

    w: Any
    cells: AnyCells
    offset: jax.Array | None = None
    ageing: Any = None

    @property
    def shape(self) -> tuple[int, int]:
        """Its size, ``(in, out)``."""
        return jax.tree.leaves(self.w)[0].shape


def program_tile(key: jax.Array, device: Device, w: jax.Array) -> Tile:
    """A new array asked to hold ``w``: clipped to the bounds of its crosspoints.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import program_tile, read
      >>> device = SoftBounds(dw_min=0.1, w_max=0.6).without_variation()
      >>> tile = program_tile(jax.random.key(0), device, jnp.array([[0.5, 0.8]]))
      >>> [round(w, 2) for w in read(tile)[0].tolist()]
      [0.5, 0.6]
    """
    cells = device.sample(key, w.shape)
    tile = Tile(
        jax.tree.map(lambda part: jnp.broadcast_to(part, w.shape), device.program(cells, w)),
        cells,
        ageing=device.sample_ageing(jax.random.fold_in(key, _AGEING), w.shape),
    )
    if is_zero(device.write_noise):
        return tile
    return tile._replace(offset=_offset(jax.random.fold_in(key, _PROGRAMMED), device, w.shape))


def weight(tile: Tile) -> jax.Array:
    """The weights that the conductances of the array stand for, ``(in, out)``.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import OneSidedPair, SoftBounds
      >>> from analogjax.tiles import program_tile, weight
      >>> pair = OneSidedPair(device=SoftBounds(dw_min=0.1, w_min=0.0).without_variation())
      >>> tile = program_tile(jax.random.key(0), pair, jnp.array([[-0.5]]))
      >>> len(tile.w), round(float(weight(tile)[0, 0]), 2)
      (2, -0.5)
    """
    return tile.cells.weight(tile.w) if isinstance(tile.w, tuple) else tile.w


def read(tile: Tile) -> jax.Array:
    """The weights a product with the array sees: with their write noise.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import program_tile, read, weight
      >>> device = SoftBounds(dw_min=0.1, write_noise_std=0.5)
      >>> tile = program_tile(jax.random.key(0), device, jnp.zeros((2, 3)))
      >>> bool((weight(tile) == 0).all()), bool((read(tile) == 0).any())
      (True, False)
    """
    return weight(tile) if tile.offset is None else weight(tile) + tile.offset


def written(key: jax.Array, device: Device, tile: Tile, sent: Sent) -> Tile:
    """The tile after an update; its write noise is drawn anew where a pulse was sent.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.pulses import Sent
      >>> from analogjax.tiles import program_tile, written
      >>> device = SoftBounds(dw_min=0.1)
      >>> tile = program_tile(jax.random.key(0), device, jnp.zeros((1, 2)))
      >>> sent = Sent.summed(jnp.array([[0.25, 0.0]]), jnp.array([[3, 0]]), jnp.array([[0, 0]]))
      >>> written(jax.random.key(1), device, tile, sent).w.tolist()
      [[0.25, 0.0]]
    """
    offset = tile.offset
    if offset is not None:
        pulsed = sent.up + sent.down > 0
        new = _offset(jax.random.fold_in(key, _WRITTEN), device, offset.shape)
        offset = jnp.where(pulsed, new, offset)
    return tile._replace(w=sent.w, offset=offset)


def aged(key: jax.Array, device: Device, tile: Tile) -> Tile:
    """The tile one mini-batch later; its write noise is drawn anew where something moved.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.tiles import aged, program_tile
      >>> device = SoftBounds(dw_min=0.1, lifetime=4.0).without_variation()
      >>> tile = program_tile(jax.random.key(0), device, jnp.array([[0.4]]))
      >>> round(float(aged(jax.random.key(1), device, tile).w[0, 0]), 2)
      0.3
    """
    if tile.ageing is None:
        return tile
    w = device.apply_ageing(jax.random.fold_in(key, _AGED), tile.cells, tile.ageing, tile.w)
    offset = tile.offset
    if offset is not None:
        changes = jax.tree.leaves(jax.tree.map(jnp.not_equal, w, tile.w))
        new = _offset(jax.random.fold_in(key, _AGED_OFFSET), device, offset.shape)
        offset = jnp.where(functools.reduce(jnp.logical_or, changes), new, offset)
    return tile._replace(w=w, offset=offset)


def _offset(key, device: Device, shape) -> jax.Array:
    return device.write_noise * draw_normal(key, shape)
