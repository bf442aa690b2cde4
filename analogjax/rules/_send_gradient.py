"""Sending the gradient of a mini-batch to one tile."""

import jax

from analogjax.devices import Device
from analogjax.pulses import PulseScheme
from analogjax.rules._signal import Signal
from analogjax.tiles import TileStack, count_pulses, count_trains, replace_tile, written


def send_gradient(
    key: jax.Array,
    pulses: PulseScheme,
    device: Device,
    stack: TileStack,
    n: int,
    signal: Signal,
    learning_rate,
) -> TileStack:
    """The stack after its tile ``n``, the last, was moved down the gradient.

    Args:
      key: a PRNG key.
      pulses: the scheme that sends.
      device: that of the tile.
      stack: the stack before.
      n: number of the tile.
      signal: the gradient.
      learning_rate: weight change per unit of it.
    """
    tile = stack.tiles[n]
    sent = signal.send(pulses, key, device, tile, learning_rate)
    stack = replace_tile(stack, n, written(key, device, tile, sent))
    stack = count_pulses(stack, n, sent)
    if signal.factors is None:
        return stack
    return count_trains(stack, n, len(signal.factors.x), sent)
