"""A value over two settings of a sweep."""

import math

import numpy as np

from analogjax._words import setting
from analogjax.plotting._labels import ems, points, tilt

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
    width, height = 0.8 * points(axes) / squares.shape[::-1]
    size = axes.xaxis.label.get_size()
    numbers = {at: f"{square:.3g}" for at, square in np.ndenumerate(squares) if np.isfinite(square)}
    fitting = min(size, height, width / max(map(ems, numbers.values()), default=1.0))
    for (i, j), number in numbers.items() if fitting >= _SMALLEST else ():
        color = "wk"[bool(image.norm(squares[i, j]) >= 0.5)]
        axes.text(j, i, number, ha="center", va="center", color=color, fontsize=fitting)
    for axis, values, space in ((axes.xaxis, across, width), (axes.yaxis, up, height)):
        every = max(1, math.ceil(1.2 * size / space))
        words = [setting(value) for value in values[::every]]
        turn = tilt(words, size, every * space) if axis is axes.xaxis else {}
        axis.set_ticks(range(len(values))[::every], words, **turn)
    axes.set_xlabel(x.replace("_", " "))
    axes.set_ylabel(y.replace("_", " "))
    return image
