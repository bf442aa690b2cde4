"""Searches the rates of every rule on the digits, with the same effort for each.

Usage: python benchmarks/search_rates.py [RULE ...]     (all rules without arguments)

For each rule 32 settings from a Sobol sequence are trained with one seed on four fifths of the
training images and scored on the others; the best 8 are trained again with 4 other seeds. All
seeds differ from those of the comparison, and the test images are never looked at. Trainings of
one rule run together in one compiled call, over a batch of settings and seeds. Each rule's record
goes to results/search/.
"""

import dataclasses
import json
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import qmc

from analogjax.experiments._data import ImageSet
from analogjax.experiments._files import write_json
from analogjax.experiments._options import TaskOptions
from analogjax.experiments._rules import RuleSettings, make_optimizer
from analogjax.experiments._training import batch_axes, make_training

RESULTS = Path(__file__).parent / "results" / "search"
# Range of each rate; all are searched on a logarithmic scale.
RATE = ("learning_rate", 1e-4, 1.0)
RATES = (("learning_rate", 0.05, 2.0), ("transfer_lr", 0.02, 0.5))
SPACES = {
    "digital-sgd": (RATE,),
    "analog-sgd": (RATE,),
    "mixed-precision": (RATE,),
    "tiki-taka": RATES,
    "tiki-taka-v2": RATES,
    "chopped-tiki-taka": RATES,
    # It does not write before a whole phase of its choppers has passed.
    "agad": (*RATES, ("chop_prob", 0.01, 0.5)),
    "residual-learning": (*RATES, ("gamma", 0.1, 0.7)),
    "residual-learning-v2": (*RATES, ("gamma", 0.1, 0.7)),
    "buffered-residual-learning": (*RATES, ("gamma", 0.1, 0.7)),
}
RUNS = {
    "digital-sgd": RuleSettings(rule="digital-sgd"),
    "analog-sgd": RuleSettings(rule="analog-sgd"),
    "mixed-precision": RuleSettings(rule="mixed-precision"),
    # The fast array hidden, as published; with a share of it in the weight, Tiki-Taka is residual
    # learning on two tiles.
    "tiki-taka": RuleSettings(rule="tiki-taka", gamma=0.0),
    "tiki-taka-v2": RuleSettings(rule="tiki-taka-v2", gamma=0.0),
    "chopped-tiki-taka": RuleSettings(rule="chopped-tiki-taka", gamma=0.0),
    "agad": RuleSettings(rule="agad", gamma=0.0),
    "residual-learning-v2": RuleSettings(rule="residual-learning-v2"),
    "buffered-residual-learning": RuleSettings(rule="buffered-residual-learning"),
    **{f"residual-learning-{n}": RuleSettings(num_tiles=n) for n in (2, 4, 6)},
}


def split(data: ImageSet) -> ImageSet:
    """The training images alone, every fifth in place of the test images, as those are drawn."""
    held = np.arange(len(data.train_labels)) % 5 == 4
    images, labels = data.train_images, data.train_labels
    return ImageSet(images[~held], labels[~held], images[held], labels[held])


def draw(space, settings: int) -> list[dict[str, float]]:
    """Settings spread evenly over the logarithms of the ranges."""
    points = qmc.Sobol(len(space), seed=0).random(settings)
    low = np.log([low for _, low, _ in space])
    high = np.log([high for *_, high in space])
    names = [name for name, *_ in space]
    values = np.exp(low + points * (high - low))
    return [{n: float(f"{v:.3g}") for n, v in zip(names, row, strict=True)} for row in values]


def scores(base: RuleSettings, task: TaskOptions, data: ImageSet, choices, seeds) -> np.ndarray:
    """Accuracy at the end of a training with each choice and seed, ``(choices, seeds)``."""
    model, device = task.model(), task.device()
    steps = len(data.train_labels) // task.batch_size

    def training(rates):
        settings = dataclasses.replace(base, **rates)

        def optimizer(key):
            return make_optimizer(settings, device, key, epochs=task.epochs, steps_per_epoch=steps)

        return make_training(model, optimizer, data, batch_size=task.batch_size)

    rates = {n: jnp.asarray([c[n] for c in choices for _ in seeds]) for n in choices[0]}
    keys = jax.vmap(jax.random.key)(jnp.asarray([s for _ in choices for s in seeds], jnp.uint32))
    axes = batch_axes(training(choices[0]))
    init = jax.vmap(lambda rates, key: training(rates).init(key), out_axes=axes)
    epoch = jax.jit(
        jax.vmap(
            lambda rates, state: training(rates).epoch(state),
            in_axes=(0, axes),
            out_axes=(axes, 0),
        ),
        donate_argnums=1,
    )
    state = init(rates, keys)
    for _ in range(task.epochs):
        state, metrics = epoch(rates, state)
    accuracy = np.asarray(metrics.test_accuracy, np.float64)
    return accuracy.reshape(len(choices), len(seeds)).round(4)


def search(name: str) -> None:
    """Both rounds for one rule, with their record."""
    start = time.perf_counter()
    base, task = RUNS[name], TaskOptions()
    data = split(task.images())
    rounds, choices = [], draw(SPACES[base.rule], 32)
    for seeds, kept in (((100,), 8), ((101, 102, 103, 104), 1)):
        found = scores(base, task, data, choices, seeds)
        order = np.argsort(-found.mean(1), kind="stable")
        rounds.append(
            [choices[i] | {"validation_accuracy": found[i].tolist()} for i in order],
        )
        choices = [choices[i] for i in order[:kept]]
    record = {
        "run": name,
        "task": task.record(),
        "settings": dataclasses.asdict(base),
        "best": choices[0],
        "rounds": rounds,
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_json(RESULTS / f"{name}.json", record)
    print(name, json.dumps(rounds[-1][0]), f"{record['seconds']} s", flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or RUNS:
        search(name)
