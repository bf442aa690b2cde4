"""How accuracy grows, and what it costs."""

import numpy as np

from analogjax.cost import pareto_front
from analogjax.plotting._looks import looks_of


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
    looks = looks_of(curves)
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
    looks = looks_of(percents)
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
