"""What a device says about the next point of a measured curve, given those before it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices._fit_fields import Slot, fill_slots

# Values of a standard normal, out to where clipped pulses still differ, and their probabilities.
_NODES = np.linspace(-4.0, 4.0, 17)
_WEIGHTS = np.exp(-(_NODES**2) / 2)
_WEIGHTS /= _WEIGHTS.sum()


@functools.partial(jax.jit, static_argnames=("slots", "filtered"))
def predict(values, slots: tuple[Slot, ...], device, curve, cycle_noise, read_noise, *, filtered):
    r"""Mean and variance of each measured point, given all points before it.

    A pulse with noise :math:`\xi` leads from w to ``device.pulse(cells, w, direction, xi)``; its
    mean and variance are taken over :math:`\xi`, so that the clipping at a bound
    is accounted for. Without read noise the measured point before is the weight before, and the
    points are independent. With read noise the weight is only known as well as an extended Kalman
    filter knows it from all points before.

    Args:
      values: numbers in the slots, ``(slots,)``.
      slots: where they belong.
      device: the device, whose spreads are left out.
      curve: pulses ``(n,)`` and measured weights ``(n + 1,)``.
      cycle_noise: ``dw_min_std``.
      read_noise: standard deviation of a measurement, in units of the weight.
      filtered: whether read noise is more than a rounding error.

    Returns:
      Means, variances, and the parts of the variances that come from the noise of the pulse
      itself, each ``(n,)``.
    """
    pulses, measured = curve
    device, cells = _mean_device(values, slots, device)
    device = dataclasses.replace(device, dw_min_std=cycle_noise)
    xi, weights = jnp.asarray(_NODES), jnp.asarray(_WEIGHTS)

    def after(w, direction):
        moved = device.pulse(cells, w, direction, xi)
        mean = weights @ moved
        return mean, weights @ (moved - mean) ** 2

    if not filtered:
        mean, variance = jax.vmap(after)(measured[:-1], pulses)
        return mean, variance + read_noise**2, variance

    def one_point(state, inputs):
        w, spread = state
        direction, point = inputs
        (mean, variance), (slope, _) = jax.jvp(
            lambda w: after(w, direction), (w,), (jnp.ones_like(w),)
        )
        spread = slope**2 * spread + variance
        total = spread + read_noise**2
        gain = spread / total
        return (mean + gain * (point - mean), (1.0 - gain) * spread), (mean, total, variance)

    start = (measured[0], jnp.asarray(read_noise, measured.dtype) ** 2)
    return jax.lax.scan(one_point, start, (pulses, measured[1:]))[1]


@functools.partial(jax.jit, static_argnames=("slots", "filtered"))
def jacobian(values, slots, device, curve, cycle_noise, read_noise, *, filtered):
    """Exact derivatives of the means of :func:`predict` by the values, ``(n, slots)``."""

    def mean(values):
        return predict(values, slots, device, curve, cycle_noise, read_noise, filtered=filtered)[0]

    # At its own bound a power of the distance has no derivative; such a point then has no say.
    return jnp.nan_to_num(jax.jacfwd(mean)(values), posinf=0.0, neginf=0.0)


@functools.partial(jax.jit, static_argnames=("slots",))
def mean_moves(values, slots, device, curve):
    """Moves that the mean device would make at the measured points, were there no bounds."""
    pulses, measured = curve
    device, cells = _mean_device(values, slots, device)
    up, down = device.steps(cells, measured[:-1])
    return jnp.where(pulses > 0, up, -down) * (pulses != 0)


@functools.partial(jax.jit, static_argnames=("slots",))
def mean_bounds(values, slots, device):
    """The smallest and the largest weight of the mean device."""
    cells = _mean_device(values, slots, device)[1]
    return cells.w_min, cells.w_max


@functools.partial(jax.jit, static_argnames=("slots",))
def shapes_response(values, slots, device):
    """Whether steps or bounds of the mean device depend on the number in each slot."""

    def answer(values):
        mean, cells = _mean_device(values, slots, device)
        low, high = jnp.clip(cells.w_min, min=-1e3), jnp.clip(cells.w_max, max=1e3)
        w = low + (high - low) * jnp.linspace(0.0, 1.0, 257)
        up, down = (jnp.broadcast_to(step, w.shape) for step in mean.steps(cells, w))
        return jnp.concatenate([up, down, jnp.stack([cells.w_min, cells.w_max])])

    return (jax.jacfwd(answer)(values) != 0).any(0)


def _mean_device(values, slots, device):
    device = fill_slots(device.without_variation(), slots, list(values))
    return device, device.sample(jax.random.key(0), ())
