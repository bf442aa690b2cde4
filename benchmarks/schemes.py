"""Whether whole trainings end alike under the exact pulses and under the default scheme.

Usage: python benchmarks/schemes.py [--data-dir DIR] [--only TASK ...]

Residual learning on 6 tiles trains the small network on the digits (4 states, 24 epochs) and, with
--data-dir, LeNet-5 on the first 10,000 images of MNIST (10 states; 6 epochs in stages, and 12 with
a plateau warm start), each from the same seeds: under CoincidencePulses, under BatchedPulses, and
on the summed gradient for contrast. The record goes to results/schemes.json.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from _timing import machine
from flax import linen as nn

from analogjax.devices import SoftBounds
from analogjax.experiments._data import ImageSet, load
from analogjax.experiments._files import write_json
from analogjax.experiments._models import DigitsNet, LeNet5
from analogjax.experiments._rules import RuleSettings, make_optimizer
from analogjax.experiments._training import make_training, over_seeds
from analogjax.pulses import BatchedPulses, CoincidencePulses, PulseScheme

RESULT = Path(__file__).parent / "results" / "schemes.json"
SCHEMES = {
    "exact pulses (CoincidencePulses)": (CoincidencePulses(), True),
    "default (BatchedPulses)": (BatchedPulses(), True),
    "summed gradient": (BatchedPulses(), False),
}
BATCH = 8


class Task(NamedTuple):
    """A training: what, on which devices, how, how long, and from how many seeds."""

    model: nn.Module
    data: ImageSet
    states: int
    settings: RuleSettings
    epochs: int
    seeds: int


def tasks(data_dir: Path | None) -> dict[str, Task]:
    """The trainings by name; those on MNIST if there is a folder of it."""
    digits = load("digits", None, train_size=None, download=False)
    found = {"digits": Task(DigitsNet(), digits, 4, RuleSettings(), 24, 24)}
    if data_dir:
        mnist = load("mnist", data_dir, train_size=10_000, download=False)
        shared = {"gamma": 0.5, "transfer_lr": 0.1, "digital_learning_rate": 0.05}
        stages = RuleSettings(learning_rate=0.1, reads_per_transfer=4, **shared)
        plateau = RuleSettings(learning_rate=1.0, transfer_every=10, warm_start="plateau", **shared)
        found["mnist"] = Task(LeNet5(), mnist, 10, stages, 6, 12)
        found["mnist, plateau warm start"] = Task(LeNet5(), mnist, 10, plateau, 12, 6)
    return found


def accuracies(task: Task, pulses: PulseScheme, factors: bool) -> list[float]:
    """Test accuracy of each seed after the last epoch."""
    steps = len(task.data.train_labels) // BATCH
    device = SoftBounds.with_states(task.states)

    def optimizer(key):
        return make_optimizer(
            task.settings, device, key, epochs=task.epochs, steps_per_epoch=steps, pulses=pulses
        )

    training = over_seeds(
        make_training(task.model, optimizer, task.data, batch_size=BATCH, factors=factors)
    )
    state = training.init(jax.vmap(jax.random.key)(np.arange(task.seeds, dtype=np.uint32)))
    epoch = jax.jit(training.epoch, donate_argnums=0)
    for _ in range(task.epochs):
        state, metrics = epoch(state)
    return [float(accuracy) for accuracy in metrics.test_accuracy]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="folder of the four IDX files of MNIST")
    parser.add_argument("--only", nargs="*", help="tasks to run; the record keeps those of others")
    options = parser.parse_args()
    for name, task in tasks(options.data_dir).items():
        if options.only and name not in options.only:
            continue
        rows = []
        for scheme, (pulses, factors) in SCHEMES.items():
            final = accuracies(task, pulses, factors)
            rows.append(
                {"task": name, "scheme": scheme, "epochs": task.epochs, "test_accuracy": final}
            )
            mean, spread = 100 * np.mean(final), 100 * np.std(final, ddof=1)
            print(f"{name:26s} {scheme:34s} {mean:.1f} ± {spread:.1f}", flush=True)
        others = [row for row in json.loads(RESULT.read_text())["runs"] if row["task"] != name]
        runs = sorted(others + rows, key=lambda row: row["task"])
        write_json(RESULT, {"machine": machine(), "runs": runs})


if __name__ == "__main__":
    main()
