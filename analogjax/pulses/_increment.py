"""Sending a wanted weight change whose factors are not known."""

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._apply_counts import apply_counts
from analogjax.pulses._sent import Sent
from analogjax.pulses._words import draw_words, uniform


def send_increment(
    key: jax.Array, device: Device, cells: AnyCells, w: jax.Array, increment: jax.Array
) -> Sent:
    r"""Sends :math:`|\Delta|/g` pulses of the sign of :math:`\Delta`, rounded up or down at random.

    The count is :math:`\lfloor|\Delta|/g + U\rfloor` with U uniform in [0, 1): its mean is exact
    and its variance the least possible. This is *not* what a mini-batch sends to an array: see
    :class:`~analogjax.pulses.BatchedPulses` for that.

    Args:
      key: a PRNG key.
      device: the device.
      cells: its constants.
      w: weights, ``(in, out)``.
      increment: wanted weight change, ``(in, out)``.

    Returns:
      The new weights and the pulses sent.
    """
    words = draw_words(key, increment.shape)
    wanted = jnp.abs(increment) / device.granularity
    whole = jnp.floor(wanted)
    # A step has a physical end: no crosspoint needs more pulses than cross its range many times.
    count = jnp.minimum(whole + (uniform(words) <= wanted - whole), 1e6).astype(jnp.int32)
    up, down = jnp.where(increment > 0, count, 0), jnp.where(increment < 0, count, 0)
    return Sent(apply_counts(words, device, cells, w, up, down), up, down)
