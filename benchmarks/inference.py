"""How long networks on phase-change memory keep their accuracy, by how they were trained.

Usage: python benchmarks/inference.py [--seeds N] [--repeats N] [--draw]

The small network of the comparison learns the digits in three ways: by digital SGD, by digital SGD
with weight noise and clipping (hardware-aware), both programmed onto differential pairs once they
are trained, and by residual learning on such pairs (presets.pcm), which are left as they are. Then
time passes by PCMNoise: on a million-device fit for all three, without programming errors for the
last. Every training is deployed several times and evaluated on the test images, with and without
drift compensation. The rates of residual learning were the best of five settings on a validation
split of the training images; noise and clipping were set beforehand. The record goes to
results/inference.json, the figure beside it; --draw only draws the figure anew.
"""

import argparse
import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from _timing import machine

import analogjax
from analogjax import presets
from analogjax.devices import OneSidedPair
from analogjax.experiments._data import load
from analogjax.experiments._files import write_json, write_whole
from analogjax.experiments._models import DigitsNet
from analogjax.experiments._training import batch_axes, make_training, over_seeds
from analogjax.inference import (
    PCMNoise,
    accuracy_over_time,
    clip_weights,
    keep_tiles,
    perturb,
    program,
)
from analogjax.nn import labels
from analogjax.plotting import plot_accuracy_over_time

RESULT = Path(__file__).parent / "results" / "inference.json"
TIMES = [1.0, 60.0, 3600.0, 86400.0, 30 * 86400.0, 365 * 86400.0]
EPOCHS, BATCH, DIGITAL_RATE = 16, 8, 0.457
NOISE_STD, CLIP_STDS = 0.05, 2.5
RATES = {"learning_rate": 0.3, "num_tiles": 6, "gamma": 0.467, "transfer_lr": 0.05}
MODEL, DATA = DigitsNet(), load("digits")


def accuracy(params) -> jax.Array:
    """Share of the test images classified correctly."""
    logits = MODEL.apply({"params": params}, jnp.asarray(DATA.test_images))
    return (logits.argmax(-1) == jnp.asarray(DATA.test_labels)).mean()


def digital(noise_std: float, clip_stds: float | None, key: jax.Array):
    """Parameters trained by SGD, with noise on the weights and clipping if asked for."""
    x, y = jnp.asarray(DATA.train_images), jnp.asarray(DATA.train_labels)
    steps = len(y) // BATCH
    key_init, key_order, key_noise = jax.random.split(key, 3)
    optimizer = optax.sgd(DIGITAL_RATE)
    if clip_stds is not None:
        optimizer = optax.chain(optimizer, clip_weights(num_stds=clip_stds))

    def loss(params, key, x, y):
        if noise_std:
            params = perturb(key, params, noise_std)
        logits = MODEL.apply({"params": params}, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def step(carry, inputs):
        params, state = carry
        batch, n = inputs
        grads = jax.grad(loss)(params, jax.random.fold_in(key_noise, n), x[batch], y[batch])
        updates, state = optimizer.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), None

    def order(epoch):
        batches = jax.random.permutation(jax.random.fold_in(key_order, epoch), len(y))
        return batches[: steps * BATCH].reshape(steps, BATCH)

    batches = jax.vmap(order)(jnp.arange(EPOCHS)).reshape(-1, BATCH)
    params = MODEL.init(key_init, x[:1])["params"]
    start = params, optimizer.init(params)
    return jax.lax.scan(step, start, (batches, jnp.arange(len(batches))))[0][0]


def in_situ(seeds: int) -> list:
    """States of residual learning on pairs of phase-change devices, one for each seed."""
    device = OneSidedPair(device=presets.pcm())
    steps = EPOCHS * (len(DATA.train_labels) // BATCH)

    def optimizer(key):
        stages = analogjax.Stages(steps // (RATES["num_tiles"] - 1))
        rule = analogjax.residual_learning(
            device=device, key=key, **RATES, transfer_every=4, warm_start=stages, chain=False
        )
        return optax.partition({"analog": rule, "digital": optax.sgd(0.1)}, labels)

    one = make_training(MODEL, optimizer, DATA, batch_size=BATCH)
    training, axes = over_seeds(one), batch_axes(one)
    states = training.init(jax.vmap(jax.random.key)(np.arange(seeds, dtype=np.uint32)))
    epoch = jax.jit(training.epoch, donate_argnums=0)
    for _ in range(EPOCHS):
        states, metrics = epoch(states)
    print("in situ, after training", metrics.test_accuracy, flush=True)

    def of_seed(n):
        return jax.tree.map(
            lambda leaf, axis: leaf[n] if axis == 0 else leaf,
            states,
            axes,
            is_leaf=lambda leaf: leaf is None,
        )

    return [of_seed(n) for n in range(seeds)]


def over_time(noise, deploy, trained: list, repeats: int, compensated: bool) -> np.ndarray:
    """Accuracies, ``(trainings * repeats, times)``."""

    @jax.jit
    def one(key, trained):
        return accuracy_over_time(
            key, noise, functools.partial(deploy, noise, trained), TIMES, accuracy,
            repeats=repeats, compensated=compensated,
        )  # fmt: skip

    return np.concatenate([one(jax.random.key(100 + n), t) for n, t in enumerate(trained)])


def program_params(noise, params, key):
    return program(key, noise, params)


def keep_state(noise, state, key):
    return keep_tiles(key, noise, state.opt_state, state.params)


def measure(seeds: int, repeats: int) -> list[dict]:
    """The record of each way to train."""
    keys = jax.vmap(jax.random.key)(np.arange(seeds, dtype=np.uint32))

    def ex_situ(noise_std, clip_stds):
        stacked = jax.jit(jax.vmap(functools.partial(digital, noise_std, clip_stds)))(keys)
        return [jax.tree.map(lambda leaf, n=n: leaf[n], stacked) for n in range(seeds)]

    programmed, kept = PCMNoise(), PCMNoise(prog_noise_scale=0.0)
    ways = {
        "Digital, then programmed": (programmed, program_params, ex_situ(0.0, None)),
        "Hardware-aware, then programmed": (
            programmed, program_params, ex_situ(NOISE_STD, CLIP_STDS),
        ),
        "Residual learning in situ": (kept, keep_state, in_situ(seeds)),
    }  # fmt: skip
    rows = []
    for name, (noise, deploy, trained) in ways.items():
        trees = [getattr(one, "params", one) for one in trained]
        row = {"name": name, "trained": [float(accuracy(params)) for params in trees]}
        for word, compensated in (("compensated", True), ("uncompensated", False)):
            found = over_time(noise, deploy, trained, repeats, compensated)
            row[word] = np.round(found, 6).tolist()
            print(name, word, np.round(100 * found.mean(0), 1), flush=True)
        rows.append(row)
    return rows


def draw(path: Path, rows: list[dict]) -> None:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    held, faded = (
        {row["name"]: np.asarray(row[word]) for row in rows}
        for word in ("compensated", "uncompensated")
    )
    plot_accuracy_over_time(axes, TIMES, held, uncompensated=faded)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize="small", frameon=False, loc="lower left")
    write_whole(path, lambda p: figure.savefig(p, dpi=150))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind")
    parser.add_argument("--repeats", type=int, default=10, help="deployments of each training")
    parser.add_argument("--draw", action="store_true", help="make no measurements")
    options = parser.parse_args()
    if not options.draw:
        rows = measure(options.seeds, options.repeats)
        record = {"machine": machine(), "times": TIMES, "repeats": options.repeats, "runs": rows}
        write_json(RESULT, record)
    draw(RESULT.with_suffix(".png"), json.loads(RESULT.read_text())["runs"])


if __name__ == "__main__":
    main()
