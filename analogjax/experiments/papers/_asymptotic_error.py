"""What the asymptotic error of analog SGD depends on: Wu et al. 2024, Fig. 4."""

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.experiments._least_squares import LeastSquares
from analogjax.experiments.papers._least_squares import (
    MEAN_PULSES,
    alike,
    draw_curves,
    draw_lines,
    losses,
)
from analogjax.experiments.papers._reproduction import (
    Claim,
    Published,
    Reproduction,
    Values,
    falling,
    near,
    rising,
)
from analogjax.rules import analog_sgd

EVERY = 2
ROWS, SIZE, INPUT_SCALE, TARGET_SCALE = 100, 50, 1.0, 0.5
TAUS = (2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
VARIANCES = (1e-3, 1e-2, 0.1, 1.0)  # Of each weight at a read.
# All weights at a value, or after steps of digital SGD from zero. Of the paper's, 100 and 10 too
# are beyond the bounds, where all are the same.
STARTS = ((1e3, 0), (1.0, 0), (0.01, 0), (0.0, 10), (0.0, 20), (0.0, 30))
_BOUNDS = {"steps": 500, "rate": 0.1, "variance": 0.2**2 / SIZE}
_NOISE = {"steps": 200, "rate": 0.1, "tau": 2.0}
# The script has 0.1, of a loss without our factor of a half.
_STARTS = {"steps": 50, "rate": 0.2, "tau": 1.0, "variance": 0.01**2 / SIZE}
PANELS = {
    "bounds": [{**_BOUNDS, "tau": tau} for tau in TAUS],
    "noise": [{**_NOISE, "variance": variance} for variance in VARIANCES],
    "starts": [{**_STARTS, "start": start, "pretrained": steps} for start, steps in STARTS],
}
SEEDS = {"quick": 5, "paper": 20}
# Means of the second half of one run each of the authors' script.
PUBLISHED = {
    "tau 2": Published(6.4e-3),
    "tau 3": Published(1.05e-3),
    "tau 5": Published(2.1e-4),
    "tau 10": Published(5.4e-5),
    "tau 20": Published(2.3e-5),
    "tau 50": Published(1.5e-5),
    "noise variance 0.001": Published(6.7e-3),
    "noise variance 0.01": Published(1.15e-2),
    "noise variance 0.1": Published(2.9e-2),
    "noise variance 1": Published(5.7e-2),
}


def cells(scale):
    return [
        {"panel": panel, "start": 0.0, "pretrained": 0, **cell, "seed": seed}
        for panel, each in PANELS.items()
        for cell in each
        for seed in range(SEEDS[scale])
    ]


def make(data_dir):
    del data_dir

    def train(panel, steps, rate, tau, variance, start, pretrained, seed):
        del panel
        problem = LeastSquares.draw(jax.random.key(seed), ROWS, SIZE, INPUT_SCALE, TARGET_SCALE)
        start = jax.lax.fori_loop(
            0,
            pretrained,
            lambda _, w: w - rate * SIZE * jax.grad(problem.loss)(w),
            jnp.full(problem.target.shape, start),
        )
        rule = analog_sgd(rate, alike(tau), key=seed, pulses=MEAN_PULSES)
        gradient = problem.with_noisy_reads(variance**0.5)
        curve = losses(rule, problem, gradient, steps, seed, start=start, every=EVERY)
        return {"loss": curve[len(curve) // 2 :].mean(), "curve": curve}

    return train


def label(row):
    match row["panel"]:
        case "bounds":
            return f"tau {row['tau']:g}"
        case "noise":
            return f"noise variance {row['variance']:g}"
    if row["pretrained"]:
        return f"start after {row['pretrained']} digital steps"
    return f"start at {row['start']:g}"


def draw(figure, rows):
    bounds, noise, starts = figure.subplots(1, 3)
    _draw_ends(bounds, rows, "bounds", "tau")
    bounds.set(xlabel=r"bounds of the devices $\tau$", ylabel="loss at the end", ylim=(5e-6, 5e-2))
    bounds.set_xticks(TAUS, [f"{tau:g}" for tau in TAUS])
    bounds.legend(fontsize="small")
    _draw_ends(noise, rows, "noise", "variance")
    noise.set(xlabel="noise variance of a read", ylim=(1e-3, 1e-1))
    own = [row for row in rows if row["panel"] == "starts"]
    draw_curves(
        starts, own, lambda row: label(row).removeprefix("start "), curve="curve", every=EVERY
    )
    starts.set(ylim=(1e-3, 1), ylabel="")
    starts.legend(fontsize="x-small", title="start", title_fontsize="x-small", loc="upper right")
    for axes in (bounds, noise, starts):
        axes.grid(alpha=0.3)
        axes.minorticks_off()


def _draw_ends(axes, rows, panel, x):
    own = [row for row in rows if row["panel"] == panel]
    draw_lines(axes, own, lambda row: "here", x=x, value="loss")
    crosses = {row[x]: PUBLISHED[label(row)].value for row in own}
    axes.loglog([*crosses], [*crosses.values()], "kx", ms=8, label="authors' script")


def _starts_agree(values: Values) -> bool:
    ends = [found.mean() for name, found in values.items() if name.startswith("start")]
    return bool(np.ptp(ends) < 0.05 * np.mean(ends))


def _less_than_tenfold(values: Values) -> bool:
    """Whether a hundred times the variance makes the loss less than ten times as high."""
    means = [values[f"noise variance {variance:g}"].mean() for variance in VARIANCES]
    return all(later < 10 * earlier for earlier, later in zip(means, means[2:], strict=False))


REPRODUCTION = Reproduction(
    name="asymptotic-error",
    title="What the asymptotic error of analog SGD depends on",
    source="Wu, Gokmen, Rasch, Chen, NeurIPS 2024 (arXiv:2406.12774), Fig. 4",
    about=(
        "Least squares, 100 rows of 50 inputs as one mini-batch, products that see weights with "
        "noise. Devices all alike with steps that fall linearly to zero at the bounds +-tau, and "
        "the mean of their pulses. Beside: one run each of the authors' script at the paper's "
        "settings, on data of its own. Right: bounds of +-1, so that some of the weights sought "
        "are out of reach; the authors' loss has no factor of a half there, so that the paper's "
        "plot ends at twice ours, about 0.07."
    ),
    cells=cells,
    make=make,
    static=("steps",),
    label=label,
    value="loss",
    published=PUBLISHED,
    beside="authors' script",
    claims=(
        Claim("The wider the bounds, the lower it is.", falling(*list(PUBLISHED)[: len(TAUS)])),
        Claim("The more noise, the higher it is.", rising(*list(PUBLISHED)[len(TAUS) :])),
        Claim(
            "A hundred times the variance makes it less than ten times as high.", _less_than_tenfold
        ),
        Claim("It is the same within 5 % wherever the weights start.", _starts_agree),
        Claim("Each ends within a factor of 1.5 of the authors' script.", near(PUBLISHED, 1.5)),
    ),
    draw=draw,
    duration={"quick": "half a minute", "paper": "half a minute"},
)
