"""Sending a wanted weight change whose factors are not known."""

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._apply_counts import PASSES, apply_counts
from analogjax.pulses._batching import one_by_one
from analogjax.pulses._in_place import change_if
from analogjax.pulses._mesh import on_one_cpu
from analogjax.pulses._send_list import MANY, Progress, send_counts
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
    key_count, key_noise = jax.random.split(key)
    words = draw_words(key_count, increment.shape)
    wanted = jnp.abs(increment) / device.granularity
    whole = jnp.floor(wanted)
    # A step has a physical end: no crosspoint needs more pulses than cross its range many times.
    count = jnp.minimum(whole + (uniform(words) <= wanted - whole), 1e6).astype(jnp.int32)
    down = increment < 0
    few = jnp.sum(wanted) < MANY * count.size  # Of the wanted ones, which are known already.
    args = key_noise, device, cells, w, count, down
    w, total = on_one_cpu(
        lambda: _send_listed_or_all(*args, few), elsewhere=lambda: _send_all(*args, PASSES)
    )
    return Sent(w, jnp.where(down, 0, count), jnp.where(down, count, 0), total)


@one_by_one
def _send_listed_or_all(key, device, cells, w, count, down, few):
    """The pulses listed if they are few; the new weights and the numbers of pulses."""
    place = jnp.arange(count.size)
    progress = change_if(
        few,
        lambda progress: send_counts(key, device, cells, count, down, place, progress),
        Progress.start(w),
    )
    return change_if(
        ~few,
        lambda outcome: _send_all(key, device, cells, outcome[0], count, down),
        progress.outcome(count.shape),
    )


def _send_all(key, device, cells, w, count, down, passes=1):
    up, down = jnp.where(down, 0, count), jnp.where(down, count, 0)
    w = apply_counts(draw_words(key, count.shape), device, cells, w, up, down, passes)
    sent = Sent.summed(w, up, down)
    return sent.w, sent.total
