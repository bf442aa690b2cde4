"""Figures: how a device answers pulses, how well it fits, how accuracy grows, fades and costs.

Every function draws into axes it is given, so that figures can be composed; matplotlib comes with
the extra ``analogjax[cli]``.
"""

import itertools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np

from analogjax._words import setting
from analogjax.cost import pareto_front
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
        the mean device comes close to its bounds.
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


def plot_fit(axes, device: Device, pulses: np.ndarray, conductance: np.ndarray) -> None:
    """Draws measured curves and what the fitted mean device does under the same pulses.

    Args:
      axes: matplotlib axes.
      device: the fitted device.
      pulses: directions, -1, 0 or +1, ``(n,)``.
      conductance: measured weights, ``(n + 1,)`` or ``(curves, n + 1)``.

    Example:
      >>> import numpy as np
      >>> from matplotlib.figure import Figure
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.plotting import plot_fit
      >>> axes = Figure().subplots()
      >>> plot_fit(axes, SoftBounds.with_states(4), np.ones(2), np.array([0.0, 0.4, 0.8]))
      >>> axes.get_lines()[-1].get_ydata().tolist()  # The fitted mean device.
      [0.0, 0.5, 0.75]
    """
    measured = np.atleast_2d(conductance)
    count = np.arange(measured.shape[1])
    start = float(measured[:, 0].mean())
    mean = device.without_variation()
    fitted = pulse_response(jax.random.key(0), mean, pulses, crosspoints=1, w=start)[:, 0]
    if len(measured) > 1:
        low, high = np.percentile(measured, [10, 90], axis=0)
        axes.fill_between(
            count, low, high, color="C0", alpha=0.2, lw=0, label="measured, 10 to 90 %"
        )
        axes.plot(count, measured.mean(0), color="C0", lw=1.2, label="measured, mean")
    else:
        axes.plot(count, measured[0], ".", color="C0", ms=4, label="measured")
    axes.plot(count, fitted, color="black", lw=1.4, label="fitted mean device")
    axes.set(xlabel="pulse", ylabel="weight")
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3}
    axes.legend(**above, fontsize="small", frameon=False)


def plot_accuracy(axes, curves: dict[str, np.ndarray]) -> None:
    """Draws test accuracy over epochs: the mean over seeds as a line, their range as a band.

    Args:
      axes: matplotlib axes.
      curves: accuracies in [0, 1], ``(epochs, seeds)``, by the name to show.

    Example:
      >>> import numpy as np
      >>> from matplotlib.figure import Figure
      >>> from analogjax.plotting import plot_accuracy
      >>> axes = Figure().subplots()
      >>> plot_accuracy(axes, {"two seeds": np.array([[0.5, 0.75], [0.75, 1.0]])})
      >>> axes.get_lines()[0].get_ydata().tolist()
      [62.5, 87.5]
    """
    looks = _looks(curves)
    for name, accuracy in curves.items():
        marker, color = looks[name]
        percent = 100 * accuracy
        epoch = np.arange(1, len(percent) + 1)
        marker = marker or ("o" if len(epoch) == 1 else "")  # A line of one point is none.
        style = "--" if name.startswith("Digital") else "-"
        axes.plot(
            epoch, percent.mean(1), style, color=color, marker=marker, ms=5, lw=1.8, label=name
        )
        if percent.shape[1] > 1:
            low, high = percent.min(1), percent.max(1)
            axes.fill_between(epoch, low, high, color=color, alpha=0.15, lw=0)
    axes.set(xlabel="epoch", ylabel="test accuracy (%)", ylim=(0, 101))
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    axes.grid(alpha=0.25, lw=0.5)


def plot_accuracy_against_cost(axes, costs: dict[str, float], accuracies: dict) -> None:
    """Draws what each run has reached over what it costs, and the front of those not beaten.

    Args:
      axes: matplotlib axes.
      costs: above 0, by the name to show; the axis is logarithmic, and its label leaves the unit
        to the caller.
      accuracies: in [0, 1], ``(seeds,)``, by the name; the mean is drawn, with the standard
        deviation. One without a cost is a dashed line.

    Raises:
      ValueError: if a cost is not above 0.

    Example:
      >>> from matplotlib.figure import Figure
      >>> from analogjax.plotting import plot_accuracy_against_cost
      >>> axes = Figure().subplots()
      >>> plot_accuracy_against_cost(axes, {"a": 10.0, "b": 99.0}, {"a": [0.9], "b": [0.8]})
      >>> axes.get_lines()[0].get_xdata().tolist()  # The front, on to the dearest.
      [10.0, 99.0]
    """
    from matplotlib.ticker import LogFormatter

    if not all(cost > 0 for cost in costs.values()):
        raise ValueError(f"Costs on a logarithmic axis must be above 0, got {costs}.")
    percents = {name: 100 * np.asarray(accuracy) for name, accuracy in accuracies.items()}
    means = [percents[name].mean() for name in costs]
    front = pareto_front(list(costs.values()), means)
    if front:
        at = np.array([*costs.values(), max(costs.values())])[[*front, -1]]
        best = np.array(means)[[*front, front[-1]]]
        style = {"color": "grey", "lw": 1.2, "drawstyle": "steps-post", "zorder": 1}
        axes.plot(at, best, label="Pareto front", **style)
    looks = _looks(percents)
    for name, percent in percents.items():
        marker, color = looks[name]
        if name not in costs:
            axes.axhline(percent.mean(), color=color, ls="--", marker=marker, lw=1.2, label=name)
            continue
        spread = percent.std(ddof=1) if len(percent) > 1 else None
        axes.errorbar(
            costs[name], percent.mean(), spread, fmt=marker or "o", ms=7, color=color, label=name
        )
    axes.set_xscale("log")
    for which in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        which(LogFormatter(minor_thresholds=(1.5, 0.5)))
    axes.set(xlabel="cost", ylabel="test accuracy (%)")
    axes.grid(alpha=0.25, lw=0.5)


_MARKERS = ["", "s", "^", "D", "v", "P"]
_COLORS = ["black", "C3", "C1", "C4", "C5", "C6", "C0", "C9", "C8", "C7"]


def _looks(names) -> dict:
    """A marker and a colour for each run: greens for residual learning, the darker the more tiles.

    The others have no marker until the colours are used up.
    """
    tiles = {name: re.match(r"Residual learning.*\b(\d+) tile", name) for name in names}
    chains = sorted((int(found[1]), name) for name, found in tiles.items() if found)
    depths = np.linspace(0.45, 0.95, len(chains))
    greens = {name: ("", _shade(d)) for d, (_, name) in zip(depths, chains, strict=True)}
    others = itertools.cycle(itertools.product(_MARKERS, _COLORS))
    return {name: greens[name] if name in greens else next(others) for name in names}


_SMALLEST = 6.0  # Size of a number that can still be read, in points.


def plot_heat_map(axes, rows, x: str, y: str, value: str, *, limits=None, scale: float = 1.0):
    """Draws a value over two of the names of a sweep: the mean over all rows of each square.

    Args:
      axes: matplotlib axes to draw into.
      rows: dictionaries, as :func:`analogjax.experiments.sweep` returns them.
      x: name along the horizontal axis.
      y: name along the vertical axis.
      value: name of what is drawn; squares with a value that is not finite stay white. The numbers
        are left out where they do not fit.
      limits: lowest and highest value of the colours, to compare several maps.
      scale: factor of what is drawn, such as 100 for percents.

    Returns:
      The image, for a colour bar.

    Example:
      >>> from matplotlib.figure import Figure
      >>> from analogjax.plotting import plot_heat_map
      >>> rows = [{"states": s, "gamma": g, "loss": s * g} for s in (4, 10) for g in (0.3, 0.5)]
      >>> image = plot_heat_map(Figure().subplots(), rows, "states", "gamma", "loss")
      >>> image.get_array().tolist()
      [[1.2, 3.0], [2.0, 5.0]]
    """
    across, up = ([*dict.fromkeys(row[name] for row in rows)] for name in (x, y))
    squares = np.full((len(up), len(across)), np.nan)
    for i, j in np.ndindex(squares.shape):
        own = [row[value] for row in rows if (row[x], row[y]) == (across[j], up[i])]
        if own and None not in own:
            squares[i, j] = scale * np.mean(own)
    low, high = limits or (None, None)
    image = axes.imshow(squares, origin="lower", aspect="auto", vmin=low, vmax=high)
    # Of each square four fifths, since a colour bar may take the last fifth of the axes.
    width, height = 0.8 * _points(axes) / squares.shape[::-1]
    size = axes.xaxis.label.get_size()
    numbers = {at: f"{square:.3g}" for at, square in np.ndenumerate(squares) if np.isfinite(square)}
    fitting = min(size, height, width / max(map(_ems, numbers.values()), default=1.0))
    for (i, j), number in numbers.items() if fitting >= _SMALLEST else ():
        color = "wk"[bool(image.norm(squares[i, j]) >= 0.5)]
        axes.text(j, i, number, ha="center", va="center", color=color, fontsize=fitting)
    for axis, values, space in ((axes.xaxis, across, width), (axes.yaxis, up, height)):
        every = max(1, math.ceil(1.2 * size / space))
        words = [setting(value) for value in values[::every]]
        tilt = _tilt(words, size, every * space) if axis is axes.xaxis else {}
        axis.set_ticks(range(len(values))[::every], words, **tilt)
    axes.set_xlabel(x.replace("_", " "))
    axes.set_ylabel(y.replace("_", " "))
    return image


def _points(axes) -> np.ndarray:
    """Width and height of the axes, in points, before a layout engine moves them."""
    return 72 / axes.figure.dpi * np.array(axes.bbox.size)


def _ems(word: str) -> float:
    """Width of a word in units of its size: a digit of matplotlib's font is 0.64 wide."""
    return 0.64 * len(word)


def _tilt(words: list[str], size: float, gaps) -> dict:
    """How labels so many points apart are turned: upright, or slanted where two would meet."""
    widths = size * np.array([_ems(word) for word in words])
    meet = np.any((widths[1:] + widths[:-1]) / 2 + size / 3 > gaps)
    return {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if meet else {}


_UNITS = {"year": 365 * 86400.0, "month": 30 * 86400.0, "day": 86400.0, "h": 3600.0, "min": 60.0}
_TIMES = [1.0, *sorted(_UNITS.values()), 10 * _UNITS["year"]]


def plot_accuracy_over_time(
    axes,
    times: np.ndarray,
    curves: dict[str, np.ndarray],
    *,
    uncompensated: dict[str, np.ndarray] | None = None,
) -> None:
    """Draws accuracy over the time since programming: means as lines, standard deviations as bands.

    Args:
      axes: matplotlib axes.
      times: seconds, ``(times,)``, all above 0; the axis is logarithmic.
      curves: accuracies in [0, 1], ``(repeats, times)``, by the name to show.
      uncompensated: the same without drift compensation, drawn dashed and without a band in the
        colour of the curve of the same name.

    Raises:
      ValueError: if a time is not above 0.

    Example:
      >>> import numpy as np
      >>> from matplotlib.figure import Figure
      >>> from analogjax.plotting import plot_accuracy_over_time
      >>> axes = Figure().subplots()
      >>> repeats = np.array([[0.75, 0.5], [1.0, 0.75]])
      >>> plot_accuracy_over_time(axes, np.array([1.0, 1e6]), {"aware": repeats})
      >>> axes.get_lines()[0].get_ydata().tolist()
      [87.5, 62.5]
    """
    times = np.asarray(times)
    if not np.all(times > 0):
        raise ValueError(f"Times on a logarithmic axis must be above 0, got {times.min()}.")
    dashed = uncompensated or {}
    for number, name in enumerate(dict.fromkeys([*curves, *dashed])):
        color = f"C{number}"
        if name in curves:
            percent = 100 * np.asarray(curves[name])
            mean, std = percent.mean(0), percent.std(0)
            axes.plot(times, mean, color=color, marker="o", ms=3.5, lw=1.8, label=name)
            axes.fill_between(times, mean - std, mean + std, color=color, alpha=0.15, lw=0)
        if name in dashed:
            mean = 100 * np.asarray(dashed[name]).mean(0)
            label = f"{name}, not compensated"
            axes.plot(times, mean, "--", color=color, lw=1.4, label=label)
    axes.set_xscale("log")
    low, high = times.min() / 1.3, times.max() * 1.3
    axes.set_xlim(low, high)
    ticks = [at for at in _TIMES if low <= at <= high]
    if len(ticks) < 2:
        ticks = sorted({*ticks, times.min(), times.max()})
    words = [_duration(at) for at in ticks]
    gaps = np.diff(np.log(ticks)) / np.log(high / low) * _points(axes)[0]
    axes.set_xticks(ticks, words, **_tilt(words, axes.xaxis.label.get_size(), gaps))
    axes.minorticks_off()
    axes.set(xlabel="time since programming", ylabel="test accuracy (%)")
    axes.grid(alpha=0.25, lw=0.5)


def _duration(seconds: float) -> str:
    """A time in the largest unit that it holds at least one of."""
    for unit, size in _UNITS.items():
        if seconds >= size:
            number = f"{seconds / size:.3g}"
            plural = "s" if number != "1" and unit in ("year", "month", "day") else ""
            return f"{number} {unit}{plural}"
    return f"{seconds:.3g} s"


def _shade(depth: float):
    import matplotlib

    return matplotlib.colormaps["Greens"](depth)
