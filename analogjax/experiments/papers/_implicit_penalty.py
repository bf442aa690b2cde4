"""The penalty that noise puts on analog SGD: Wu et al. 2025, Theorem 1."""

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.experiments._matrix import train_matrix
from analogjax.experiments.papers._least_squares import MEAN_PULSES, alike
from analogjax.experiments.papers._reproduction import (
    Claim,
    Published,
    Reproduction,
    Values,
    falling,
    near,
)
from analogjax.rules import analog_sgd

STEPS, EVERY = 20_000, 100
TARGET, TAU, RATE = 0.4, 1.0, 1e-3
SIGMAS = (0.1, 0.25, 0.5, 1.0, 2.0)
COPIES = 400  # Of the weight, each under noise of its own.
SEEDS = {"quick": 3, "paper": 10}
# A separate run of the same dynamics; the theorem comes without numbers.
PUBLISHED = {
    "simulated, noise 0.5": Published(0.2838),
    "simulated, noise 1": Published(0.2205),
    "simulated, noise 2": Published(0.1535),
}


def cells(scale):
    closed = [{"how": "closed form", "sigma": sigma, "seed": 0} for sigma in SIGMAS]
    return closed + [
        {"how": "simulated", "sigma": sigma, "seed": seed}
        for sigma in SIGMAS
        for seed in range(SEEDS[scale])
    ]


def make(data_dir):
    del data_dir

    def train(how, sigma, seed):
        if how == "closed form":
            return {"weight": closed_form(sigma)}

        def gradient(w, key):
            return jnp.ones((1, 1)), w - TARGET + sigma * jax.random.normal(key, w.shape)

        path, _ = train_matrix(
            analog_sgd(RATE, alike(TAU), key=seed, pulses=MEAN_PULSES),
            jnp.zeros((1, COPIES)),
            gradient,
            STEPS,
            key=jax.random.key(seed),
            every=EVERY,
        )
        return {"weight": path[len(path) // 2 :].mean(), "curve": path.mean(axis=(1, 2))}

    return train


def closed_form(sigma):
    """Where (w - w*)^2 / 2 + E|noise| w^2 / (2 tau) is least."""
    return TARGET / (1 + sigma * (2 / np.pi) ** 0.5 / TAU)


def label(row):
    return f"{row['how']}, noise {row['sigma']:g}"


def draw(figure, rows):
    over_steps, over_noise = figure.subplots(1, 2, sharey=True)
    simulated = [row for row in rows if row["how"] == "simulated"]
    for sigma in SIGMAS:
        curve = np.mean([row["curve"] for row in simulated if row["sigma"] == sigma], axis=0)
        steps = EVERY * np.arange(1, len(curve) + 1)
        (line,) = over_steps.plot(steps, curve, label=f"noise {sigma:g}")
        over_steps.axhline(closed_form(sigma), color=line.get_color(), ls="--", lw=0.8)
    over_steps.set(xlabel="step", ylabel="mean weight")
    over_steps.legend(fontsize="small")
    noise = np.linspace(0, max(SIGMAS))
    over_noise.plot(noise, closed_form(noise), "--", color="gray", label="closed form")
    points = [(row["sigma"], row["weight"]) for row in simulated]
    over_noise.plot(*zip(*points, strict=True), "o", label="simulated")
    places = [float(name.split()[-1]) for name in PUBLISHED]
    over_noise.plot(places, [p.value for p in PUBLISHED.values()], "kx", label="recorded")
    over_noise.axhline(TARGET, color="k", lw=0.8, ls=":", label="minimum of the loss")
    over_noise.set(xlabel="standard deviation of the noise")
    over_noise.legend(fontsize="small")


def _follows(values: Values) -> bool:
    ends = [values[f"simulated, noise {sigma:g}"].mean() for sigma in SIGMAS]
    return bool(np.allclose(ends, [closed_form(sigma) for sigma in SIGMAS], rtol=0.02, atol=0.0))


REPRODUCTION = Reproduction(
    name="implicit-penalty",
    title="Noise pulls analog SGD away from the minimum",
    source="Wu et al., arXiv:2502.06309, Theorem 1",
    about=(
        "One weight, f(w) = (w - 0.4)^2 / 2, its gradient with normal noise; rate 0.001. Devices "
        "all alike with steps that fall linearly to zero at the bounds +-1, and the mean of their "
        "pulses. On average these minimise f(w) + E|noise| w^2 / 2, the closed form, up to terms "
        "of second order. Means of the second half of the steps over 400 copies; crosses: a "
        "separate run of the same dynamics, since the theorem comes without numbers."
    ),
    cells=cells,
    make=make,
    static=(),
    label=label,
    value="weight",
    published=PUBLISHED,
    beside="recorded",
    claims=(
        Claim(
            "The more noise, the further from the minimum.",
            falling(*(f"simulated, noise {sigma:g}" for sigma in SIGMAS)),
        ),
        Claim("Each ends within 2 % of the closed form.", _follows),
        Claim("Each ends within 2 % of what was recorded.", near(PUBLISHED, 1.02)),
    ),
    draw=draw,
    duration={"quick": "half a minute", "paper": "a minute"},
)
