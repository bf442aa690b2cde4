"""Figures: how a device answers pulses, and how accuracy grows over epochs.

Every function draws into axes it is given, so that figures can be composed; matplotlib comes with
the extra ``analogjax[cli]``.
"""

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import Device


def pulse_response(
    key: jax.Array,
    device: Device,
    pulses: np.ndarray,
    *,
    crosspoints: int = 200,
    w: float = 0.0,
) -> np.ndarray:
    """Weights of many crosspoints along a train of pulses.

    Args:
      key: a PRNG key, for the crosspoints' constants and the noise of the pulses.
      device: the device.
      pulses: directions, -1, 0 or +1, ``(pulses,)``.
      crosspoints: how many to simulate.
      w: weight that all of them are programmed to before the first pulse.

    Returns:
      Weights before the first and after each pulse, ``(pulses + 1, crosspoints)``.

    Example:
      >>> import jax, numpy as np
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.plotting import pulse_response
      >>> device = SoftBounds.with_states(4).without_variation()
      >>> pulse_response(jax.random.key(0), device, np.ones(2), crosspoints=1).ravel().tolist()
      [0.0, 0.5, 0.75]
    """
    key_cells, key_pulses = jax.random.split(key)
    cells = device.sample(key_cells, (crosspoints, 1))
    start = jnp.broadcast_to(device.program(cells, jnp.full((crosspoints, 1), w)), (crosspoints, 1))

    def one_pulse(w, inputs):
        key, direction = inputs
        w = device.apply_pulse(key, cells, w, direction)
        return w, w

    keys = jax.random.split(key_pulses, len(pulses))
    trace = jax.lax.scan(one_pulse, start, (keys, jnp.asarray(pulses, jnp.int8)))[1]
    return np.concatenate([np.asarray(start)[None], np.asarray(trace)])[..., 0]


def plot_pulse_response(
    axes, device: Device, *, key: jax.Array | None = None, cycles: int = 2, examples: int = 5
) -> None:
    """Draws the weight under trains of up and down pulses: mean device, examples, spread.

    Args:
      axes: matplotlib axes.
      device: the device.
      key: a PRNG key for the simulated crosspoints; ``jax.random.key(0)`` by default.
      cycles: how many times up and down.
      examples: single crosspoints to show.
    """
    key = jax.random.key(0) if key is None else key
    # Twice the number of states, so that the mean device comes close to its bounds.
    half = int(np.clip(2 * float(device.n_states), 4, 2000))
    pulses = np.tile(np.repeat([1, -1], half), cycles)
    many = pulse_response(key, device, pulses)
    mean = pulse_response(key, device.without_variation(), pulses, crosspoints=1)[:, 0]
    count = np.arange(len(mean))
    low, high = np.percentile(many, [10, 90], axis=1)
    axes.fill_between(count, low, high, color="C0", alpha=0.15, lw=0, label="10 to 90 %")
    axes.plot(count, many[:, :examples], color="C0", lw=0.7, alpha=0.5)
    axes.plot([], [], color="C0", lw=0.7, alpha=0.6, label=f"{examples} crosspoints")
    axes.plot(count, mean, color="black", lw=1.6, marker=".", ms=4, label="mean device")
    axes.set(xlabel=f"pulse ({half} up, {half} down, ...)", ylabel="weight")
    axes.axhline(0.0, color="grey", lw=0.5)
    axes.legend(loc="lower left", fontsize="small", framealpha=0.9)


def plot_accuracy(axes, curves: dict[str, np.ndarray]) -> None:
    """Draws test accuracy over epochs: the mean over seeds as a line, their range as a band.

    Args:
      axes: matplotlib axes.
      curves: accuracies in [0, 1], ``(epochs, seeds)``, by the name to show.
    """
    tiles = [name for name in curves if name.startswith("Residual")]
    greens = dict(zip(tiles, np.linspace(0.45, 0.95, max(len(tiles), 1)), strict=False))
    others = iter(["black", "C3", "C1", "C4", "C5", "C6"])
    for name, accuracy in curves.items():
        color = _shade(greens[name]) if name in greens else next(others, "C7")
        percent = 100 * accuracy
        epoch = np.arange(1, len(percent) + 1)
        style = "--" if name.startswith("Digital") else "-"
        axes.plot(epoch, percent.mean(1), style, color=color, lw=1.8, label=name)
        if percent.shape[1] > 1:
            low, high = percent.min(1), percent.max(1)
            axes.fill_between(epoch, low, high, color=color, alpha=0.15, lw=0)
    axes.set(xlabel="epoch", ylabel="test accuracy (%)", ylim=(0, 101))
    axes.grid(alpha=0.25, lw=0.5)


def _shade(depth: float):
    import matplotlib

    return matplotlib.colormaps["Greens"](depth)
