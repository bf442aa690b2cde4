"""Sending given numbers of pulses to every crosspoint, one after another."""

import jax
import jax.numpy as jnp

from analogjax.devices import Cells, PulsedDevice, is_zero


def apply_counts(
    key: jax.Array,
    device: PulsedDevice,
    cells: Cells,
    w: jax.Array,
    up: jax.Array,
    down: jax.Array,
    v: jax.Array,
) -> jax.Array:
    """The weights after ``up`` and ``down`` pulses in random order, each seeing the moved weight.

    All crosspoints take their first pulse together, then their second, and so on; a pass over the
    array for each pulse of the busiest crosspoint.

    Args:
      key: a PRNG key, for the noise of the single pulses.
      device: the device.
      cells: its constants.
      w: weights, ``(in, out)``.
      up: int32 number of up pulses, ``(in, out)``.
      down: int32 number of down pulses, ``(in, out)``.
      v: uniform numbers in (0, 1], which decide the order.

    Returns:
      The weights after all pulses.
    """
    noisy = not is_zero(device.dw_min_std)

    def pending(carry):
        _, up, down, _, _ = carry
        return jnp.any(up + down > 0)

    def one_pulse(carry):
        i, up, down, v, w = carry
        share = up / jnp.maximum(up + down, 1)
        is_up = v <= share
        is_down = ~is_up & (down > 0)
        is_up &= up > 0
        v = jnp.where(is_up, v, v - share) / jnp.where(is_up, share, 1.0 - share)
        direction = is_up.astype(jnp.int8) - is_down.astype(jnp.int8)
        w = device.apply_pulse(jax.random.fold_in(key, i) if noisy else None, cells, w, direction)
        return i + 1, up - is_up, down - is_down, v, w

    start = (jnp.int32(0), up, down, v, w)
    return jax.lax.while_loop(pending, one_pulse, start)[-1]
