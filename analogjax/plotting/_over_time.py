"""How accuracy fades after programming."""

import numpy as np

from analogjax.plotting._labels import points, tilt

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
    gaps = np.diff(np.log(ticks)) / np.log(high / low) * points(axes)[0]
    axes.set_xticks(ticks, words, **tilt(words, axes.xaxis.label.get_size(), gaps))
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
