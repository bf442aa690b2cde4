"""Where analog SGD stalls: Wu et al. 2024, Fig. 3."""

import jax
import optax

from analogjax.experiments._least_squares import LeastSquares
from analogjax.experiments.papers._least_squares import (
    MEAN_PULSES,
    alike,
    draw_curves,
    losses,
)
from analogjax.experiments.papers._reproduction import (
    Claim,
    Published,
    Reproduction,
    falling,
    near,
)
from analogjax.rules import analog_sgd

STEPS, EVERY = 2500, 10
TAUS = (1.0, 1.5, 2.0, 2.5)
ROWS, SIZE, INPUT_SCALE, TARGET_SCALE = 100, 40, 0.5, 0.3
NOISE = 0.1  # Standard deviation of each component of the gradient.
RATE = 0.03
SEEDS = {"quick": 4, "paper": 20}
# Means of the second half of runs of the authors' script; "the dynamics" is their equation (5).
PUBLISHED = {
    "digital SGD": Published(7.3e-5),
    "analog SGD, tau 1": Published(1.04e-3),
    "analog SGD, tau 1.5": Published(6.2e-4),
    "analog SGD, tau 2": Published(4.4e-4),
    "analog SGD, tau 2.5": Published(3.4e-4),
}


def cells(scale):
    seeds = range(SEEDS[scale])
    digital = [{"rule": "digital SGD", "tau": 1.0, "seed": seed} for seed in seeds]
    return digital + [
        {"rule": "analog SGD", "tau": tau, "seed": seed} for tau in TAUS for seed in seeds
    ]


def make(data_dir):
    del data_dir

    def train(rule, tau, seed):
        problem = LeastSquares.draw(jax.random.key(seed), ROWS, SIZE, INPUT_SCALE, TARGET_SCALE)
        tx = (
            optax.sgd(RATE)
            if rule == "digital SGD"
            else analog_sgd(RATE, alike(tau), key=seed, pulses=MEAN_PULSES)
        )
        curve = losses(tx, problem, problem.with_noise(NOISE), STEPS, seed, every=EVERY)
        return {"loss": curve[len(curve) // 2 :].mean(), "curve": curve}

    return train


def label(row):
    return row["rule"] if row["rule"] == "digital SGD" else f"{row['rule']}, tau {row['tau']:g}"


def draw(figure, rows):
    axes = figure.subplots()
    draw_curves(axes, rows, label, curve="curve", every=EVERY)
    for published in PUBLISHED.values():
        axes.plot(STEPS, published.value, "kx", clip_on=False)
    axes.legend(fontsize="small")


REPRODUCTION = Reproduction(
    name="dynamics",
    title="Analog SGD stalls where digital SGD does not",
    source="Wu, Gokmen, Rasch, Chen, NeurIPS 2024 (arXiv:2406.12774), Fig. 3",
    about=(
        "Least squares, 100 rows of 40 inputs, the exact gradient plus normal noise of 0.1. "
        "Devices all alike with steps that fall linearly to zero at the bounds +-tau, and the mean "
        "of their pulses, as in the paper's dynamics. Crosses: runs of the authors' script. The "
        "losses of the table are means over the second half of a run."
    ),
    cells=cells,
    make=make,
    static=(),
    label=label,
    value="loss",
    published=PUBLISHED,
    beside="authors' script",
    claims=(
        Claim("The wider the bounds, the lower analog SGD ends.", falling(*list(PUBLISHED)[1:])),
        Claim("Digital SGD ends below all of them.", falling("analog SGD, tau 2.5", "digital SGD")),
        Claim("Each ends within 30 % of the authors' script.", near(PUBLISHED, 1.3)),
    ),
    draw=draw,
    duration={"quick": "half a minute", "paper": "a minute"},
)
