"""What a tile more is worth in staged residual learning: a toy after Li et al. 2025."""

import jax
import jax.numpy as jnp

from analogjax.experiments._matrix import train_matrix
from analogjax.experiments.papers._least_squares import alike, draw_curves, draw_lines
from analogjax.experiments.papers._reproduction import (
    Claim,
    Published,
    Reproduction,
    falling,
    near,
)
from analogjax.pulses import BatchedPulses
from analogjax.rules import Stages, residual_learning

STAGE, EVERY = 3000, 100
TAU, STATES = 1.0, 4
REACH, TARGETS = 0.6, 400
RATE, TRANSFER_RATE, TRANSFER_EVERY, GAMMA = 0.5, 0.1, 10, 0.5
# At most one pulse a step, whose probability is what is asked for.
SINGLE = BatchedPulses(desired_bl=1, update_management=False, update_bl_management=False)
SEEDS = {"quick": 8, "paper": 20}
RECORDED = {2: 1.4e-2, 3: 4e-3, 4: 1.2e-3, 6: 1e-4}
PUBLISHED = {f"{tiles} tiles": Published(error) for tiles, error in RECORDED.items()}


def cells(scale):
    return [
        {"num_tiles": tiles, "seed": seed}
        for tiles in (1, *RECORDED)
        for seed in range(SEEDS[scale])
    ]


def make(data_dir):
    del data_dir

    def train(num_tiles, seed):
        key_targets, key_steps = jax.random.split(jax.random.key(seed))
        targets = jax.random.uniform(key_targets, (1, TARGETS), minval=-REACH, maxval=REACH)
        rule = residual_learning(
            RATE,
            alike(TAU, 2 * TAU / STATES),
            key=seed,
            num_tiles=num_tiles,
            gamma=GAMMA,
            transfer_lr=TRANSFER_RATE,
            warm_start=Stages(STAGE),
            warm_start_every=TRANSFER_EVERY,
            transfer_every=10**6,  # After the last stage only the last tile goes on.
            pulses=SINGLE,
            transfer_pulses=SINGLE,
        )
        path, _ = train_matrix(
            rule,
            jnp.zeros((1, TARGETS)),
            lambda w, _: (jnp.ones((1, 1)), w - targets),
            STAGE * num_tiles,
            key=key_steps,
            every=EVERY,
        )
        curve = ((path - targets) ** 2).mean(axis=(1, 2))
        return {"error": curve[-10:].mean(), "curve": curve}

    return train


def label(row):
    return "1 tile" if row["num_tiles"] == 1 else f"{row['num_tiles']} tiles"


def draw(figure, rows):
    over_steps, at_end = figure.subplots(1, 2, sharey=True)
    draw_curves(over_steps, rows, label, curve="curve", every=EVERY)
    over_steps.set(ylabel="mean squared error", xticks=range(0, 6 * STAGE + 1, STAGE))
    over_steps.grid(axis="x", alpha=0.3)
    over_steps.legend(fontsize="small")
    draw_lines(at_end, rows, lambda _: "simulated", x="num_tiles", value="error")
    at_end.plot(*zip(*RECORDED.items(), strict=True), "kx", label="recorded", zorder=3)
    at_end.set(xlabel="number of tiles", xticks=[1, *RECORDED])
    at_end.legend()


REPRODUCTION = Reproduction(
    name="staged-tiles",
    title="Each tile lowers the error, on devices of four states",
    source="own calculation, after Li et al., arXiv:2510.02516, Algorithm 1",
    about=(
        "400 numbers between -0.6 and 0.6 are to be met by weights on devices of four states, all "
        "alike, whose steps fall linearly to zero at +-1; each tile counts half of the one before. "
        "The last tile takes the gradient, and one after another the others take over a tenth of "
        "it every 10 steps, for 3000 steps each; then the last one goes on alone. At most one "
        "random pulse a step. One tile is analog SGD. The error is the mean of the last 1000 "
        "steps; crosses: a plain transcription of the algorithm, which is not in the paper."
    ),
    cells=cells,
    make=make,
    static=("num_tiles",),
    label=label,
    value="error",
    published=PUBLISHED,
    beside="recorded",
    claims=(
        Claim("The more tiles, the smaller the error.", falling("1 tile", *PUBLISHED)),
        Claim("Each ends within a factor of two of what was recorded.", near(PUBLISHED, 2.0)),
    ),
    draw=draw,
    duration={"quick": "a minute", "paper": "two minutes"},
)
