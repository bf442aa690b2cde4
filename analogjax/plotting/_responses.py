"""How devices answer pulses."""

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import Device
from analogjax.tiles import program_tile, weight


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
    tile = program_tile(key_cells, device, jnp.full((crosspoints, 1), w))

    def one_pulse(tile, inputs):
        key, direction = inputs
        tile = tile._replace(w=device.apply_pulse(key, tile.cells, tile.w, direction))
        return tile, weight(tile)

    keys = jax.random.split(key_pulses, len(pulses))
    trace = jax.lax.scan(one_pulse, tile, (keys, jnp.asarray(pulses, jnp.int8)))[1]
    return np.concatenate([np.asarray(weight(tile))[None], np.asarray(trace)])[..., 0]


def plot_pulse_response(
    axes,
    device: Device,
    *,
    key: jax.Array | None = None,
    half: int | None = None,
    cycles: int = 2,
    examples: int = 5,
) -> None:
    """Draws the weights of many crosspoints, and of the mean one, under trains of pulses.

    Args:
      axes: matplotlib axes.
      device: the device.
      key: a PRNG key for the simulated crosspoints; ``jax.random.key(0)`` by default.
      half: pulses in one direction before they turn; by default twice the number of states, so that
        the mean device comes close to its bounds, but at most 2000.
      cycles: how many times up and down.
      examples: single crosspoints to show.

    Example:
      >>> from matplotlib.figure import Figure
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.plotting import plot_pulse_response
      >>> axes = Figure().subplots()
      >>> plot_pulse_response(axes, SoftBounds.with_states(4), half=8, cycles=1)
      >>> axes.get_ylabel()
      'weight'
    """
    key = jax.random.key(0) if key is None else key
    half = int(np.clip(2 * float(device.n_states), 4, 2000)) if half is None else half
    pulses = np.tile(np.repeat([1, -1], half), cycles)
    many = pulse_response(key, device, pulses)
    mean = pulse_response(key, device.without_variation(), pulses, crosspoints=1)[:, 0]
    count = np.arange(len(mean))
    low, high = np.percentile(many, [10, 90], axis=1)
    axes.fill_between(count, low, high, color="C0", alpha=0.15, lw=0, label="10 to 90 %")
    axes.plot(count, many[:, :examples], color="C0", lw=0.7, alpha=0.5)
    axes.plot([], [], color="C0", lw=0.7, alpha=0.6, label=f"{examples} crosspoints")
    axes.plot(count, many.mean(1), color="C0", lw=1.8, label=f"mean of {many.shape[1]}")
    marker = "." if half <= 25 else None
    axes.plot(count, mean, "--", color="black", lw=1.4, marker=marker, ms=4, label="mean device")
    axes.set(xlabel=f"pulse ({half} up, {half} down, ...)", ylabel="weight")
    axes.axhline(0.0, color="grey", lw=0.5)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom - 0.2 * (top - bottom), top)  # Room for the legend.
    axes.legend(loc="lower center", ncols=2, fontsize="small", frameon=False)


def plot_response_factors(axes, device: Device) -> None:
    r"""Draws the response factors :math:`q_+` and :math:`q_-` of the mean device over its range.

    Args:
      axes: matplotlib axes.
      device: the device, of one conductance and of finite range.

    Raises:
      ValueError: if the device is of several conductances, or its range is infinite.

    Example:
      >>> from matplotlib.figure import Figure
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.plotting import plot_response_factors
      >>> axes = Figure().subplots()
      >>> plot_response_factors(axes, SoftBounds.with_states(4))
      >>> axes.get_ylabel()
      'step / granularity'
    """
    w, up, down, _ = _mean_response(device)
    axes.plot(w, up, color="C2", lw=1.8, label="$q_+$, an up pulse")
    axes.plot(w, down, color="C3", lw=1.8, label="$q_-$, a down pulse")
    axes.set(xlabel="weight", ylabel="step / granularity")
    axes.locator_params(axis="x", nbins=6)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.axvline(0.0, color="grey", lw=0.5)
    axes.legend(fontsize="small")


def plot_symmetry(axes, device: Device) -> None:
    r"""Draws :math:`F = (q_- + q_+)/2` and :math:`G = (q_- - q_+)/2` of the mean device.

    A mean update is :math:`\Delta F(w) - |\Delta| G(w)`: G is the drift that every wanted change
    pays, and the symmetric point, where it is zero, is where it leads to.

    Args:
      axes: matplotlib axes.
      device: the device, of one conductance and of finite range.

    Raises:
      ValueError: if the device is of several conductances, or its range is infinite.

    Example:
      >>> from matplotlib.figure import Figure
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.plotting import plot_symmetry
      >>> axes = Figure().subplots()
      >>> plot_symmetry(axes, SoftBounds.with_states(4))
      >>> axes.get_legend().get_texts()[-1].get_text()
      'symmetric point, 0'
    """
    w, up, down, symmetric = _mean_response(device)
    axes.plot(w, (down + up) / 2, color="C0", lw=1.8, label="$F$, mean of both steps")
    axes.plot(w, (down - up) / 2, color="C1", lw=1.8, label="$G$, half their difference")
    axes.axhline(0.0, color="grey", lw=0.5)
    label = f"symmetric point, {symmetric:.3g}"
    axes.plot([symmetric], [0.0], "o", color="black", ms=6, label=label, clip_on=False)
    axes.set(xlabel="weight", ylabel="$F$, $G$")
    axes.locator_params(axis="x", nbins=6)
    axes.legend(fontsize="small")


def _mean_response(device: Device):
    """Weights over the range, q+ and q- there, and the symmetric point."""
    mean = device.without_variation()
    cells = mean.sample(jax.random.key(0), ())
    name = type(device).__name__
    if not hasattr(cells, "w_min"):
        raise ValueError(
            f"{name} is of several conductances, which no single weight tells the response of: "
            f"give one of the devices that it is made of."
        )
    low, high = float(cells.w_min), float(cells.w_max)
    if not np.all(np.isfinite([low, high])):
        raise ValueError(
            f"A response is drawn over a finite range, got {name} from {low:g} to {high:g}: give a "
            f"device with finite w_min and w_max."
        )
    w = np.linspace(low, high, 201)
    up, down = (np.asarray(q) for q in mean.response(cells, jnp.asarray(w)))
    return w, up, down, float(mean.symmetric_point(cells))
