"""What the reproductions on least squares share: devices, seeds, and how losses are drawn."""

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import SoftBounds
from analogjax.experiments._least_squares import LeastSquares
from analogjax.experiments._matrix import train_matrix
from analogjax.experiments._sweep import Row
from analogjax.pulses import ExpectedPulses

MEAN_PULSES = ExpectedPulses()  # The mean dynamics that the theory speaks of.


def alike(tau, dw_min=1e-4) -> SoftBounds:
    """Crosspoints all alike, whose steps fall linearly to zero at the bounds +-tau."""
    return SoftBounds(dw_min=dw_min, w_max=tau, w_min=-tau).without_variation()


def losses(rule, problem: LeastSquares, gradient, steps: int, seed, *, start=0.0, every=10):
    """The losses along a training, ``(steps / every,)``."""
    w = jnp.full(problem.target.shape, start)
    path, _ = train_matrix(rule, w, gradient, steps, key=jax.random.key(seed), every=every)
    return problem.loss(path)


def draw_lines(axes, rows: list[Row], label, *, x: str, value: str, scale: float = 1.0) -> None:
    """One line for each label over a name of the cells: the means, with the range of the seeds."""
    for name in dict.fromkeys(label(row) for row in rows):
        own = [row for row in rows if label(row) == name]
        places = sorted({row[x] for row in own})
        values = [[scale * row[value] for row in own if row[x] == place] for place in places]
        (line,) = axes.plot(places, [np.mean(v) for v in values], "o-", label=name)
        ends = [np.min(v) for v in values], [np.max(v) for v in values]
        axes.fill_between(places, *ends, color=line.get_color(), alpha=0.2, lw=0)


def draw_curves(axes, rows: list[Row], label, *, curve: str, every: int) -> None:
    """One curve for each label over the steps: the geometric mean of the seeds."""
    for name in dict.fromkeys(label(row) for row in rows):
        own = np.array([row[curve] for row in rows if label(row) == name])
        steps = every * np.arange(1, own.shape[1] + 1)
        axes.semilogy(steps, np.exp(np.log(own).mean(axis=0)), label=name)
    axes.set(xlabel="step", ylabel="loss")
