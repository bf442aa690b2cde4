"""A smaller rate does not help analog SGD: Wu et al. 2024, Fig. 1."""

import jax
import optax

from analogjax.experiments._least_squares import LeastSquares
from analogjax.experiments.papers._least_squares import alike, draw_curves, losses
from analogjax.experiments.papers._reproduction import Claim, Reproduction, Values, falling
from analogjax.pulses import CoincidencePulses
from analogjax.rules import analog_sgd

STEPS, EVERY = 2500, 10
RATES = (0.2, 0.1, 0.05, 0.03)
ROWS, SIZE, INPUT_SCALE, TARGET_SCALE = 100, 40, 1.0, 0.45
READ_NOISE = 0.01 / 40**0.5  # Standard deviation of each weight at a read.
TAU, DW_MIN = 3.0, 1e-4
PULSES = CoincidencePulses(desired_bl=800)
SEEDS = {"quick": 3, "paper": 10}


def cells(scale):
    return [
        {"rule": rule, "rate": rate, "seed": seed}
        for rule in ("digital SGD", "analog SGD")
        for rate in RATES
        for seed in range(SEEDS[scale])
    ]


def make(data_dir):
    del data_dir

    def train(rule, rate, seed):
        problem = LeastSquares.draw(jax.random.key(seed), ROWS, SIZE, INPUT_SCALE, TARGET_SCALE)
        tx = (
            optax.sgd(rate)
            if rule == "digital SGD"
            else analog_sgd(rate, alike(TAU, DW_MIN), key=seed, pulses=PULSES)
        )
        gradient = problem.with_noisy_reads(READ_NOISE)
        curve = losses(tx, problem, gradient, STEPS, seed, every=EVERY)
        # At the smallest rate the transient takes more than half of the steps.
        return {"loss": curve[-len(curve) // 5 :].mean(), "curve": curve}

    return train


def label(row):
    return f"{row['rule']}, rate {row['rate']:g}"


def draw(figure, rows):
    panels = figure.subplots(1, 2, sharey=True)
    for axes, rule in zip(panels, ("digital SGD", "analog SGD"), strict=True):
        own = [row for row in rows if row["rule"] == rule]
        draw_curves(axes, own, lambda row: f"rate {row['rate']:g}", curve="curve", every=EVERY)
        axes.set_title(rule)
        axes.grid(alpha=0.3)
    panels[1].set_ylabel("")
    panels[1].legend(fontsize="small")


def _labels(rule):
    return [f"{rule}, rate {rate:g}" for rate in RATES]


def _far_above(values: Values) -> bool:
    """Whether analog SGD ends at more than ten times the loss of digital SGD, at every rate."""
    pairs = zip(_labels("analog SGD"), _labels("digital SGD"), strict=True)
    return all(values[analog].mean() > 10 * values[digital].mean() for analog, digital in pairs)


def _does_not_fall(values: Values) -> bool:
    largest, *_, smallest = (values[label] for label in _labels("analog SGD"))
    return bool((smallest > 0.8 * largest).all())


REPRODUCTION = Reproduction(
    name="learning-rates",
    title="A smaller rate does not help analog SGD",
    source="Wu, Gokmen, Rasch, Chen, NeurIPS 2024 (arXiv:2406.12774), Fig. 1",
    about=(
        "Least squares, 100 rows of 40 inputs as one mini-batch, products that see weights with "
        "normal noise of 0.01 / sqrt(40). Devices all alike with steps that fall linearly to zero "
        "at the bounds +-3, random pulses. The loss is the mean of the last fifth of the steps; "
        "problems differ tenfold in it under analog SGD, and at the smallest rate the slowest is "
        "still falling."
    ),
    cells=cells,
    make=make,
    static=(),
    label=label,
    value="loss",
    claims=(
        Claim(
            "The smaller the rate, the lower digital SGD ends.", falling(*_labels("digital SGD"))
        ),
        Claim("Analog SGD ends more than ten times above it at every rate.", _far_above),
        Claim(
            "Analog SGD does not: for no seed does it end more than a fifth lower at the smallest "
            "rate than at the largest.",
            _does_not_fall,
        ),
    ),
    draw=draw,
    duration={"quick": "a minute", "paper": "three minutes"},
)
