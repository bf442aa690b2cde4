"""Whether whole trainings end alike under the exact pulses and under the default scheme.

Usage: python benchmarks/schemes.py [--data-dir DIR]

Residual learning on 6 tiles trains the small network on the digits (4 states, 24 epochs) and, with
--data-dir, LeNet-5 on the first 10,000 images of MNIST (10 states, 6 epochs), each from the same
seeds: under CoincidencePulses, under BatchedPulses, and on the summed gradient for contrast. The
record goes to results/schemes.json.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
import optax
from _timing import machine

import analogjax
from analogjax.devices import SoftBounds
from analogjax.experiments._data import load
from analogjax.experiments._files import write_json
from analogjax.experiments._models import DigitsNet, LeNet5
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._training import make_training, over_seeds
from analogjax.nn import labels
from analogjax.pulses import BatchedPulses, CoincidencePulses

RESULT = Path(__file__).parent / "results" / "schemes.json"
SCHEMES = {
    "exact pulses (CoincidencePulses)": (CoincidencePulses(), True),
    "default (BatchedPulses)": (BatchedPulses(), True),
    "summed gradient": (BatchedPulses(), False),
}
TILES, BATCH = 6, 8


def accuracies(model, data, states, epochs, rates, seeds, pulses, factors) -> list[float]:
    """Test accuracy of each seed after the last epoch."""
    steps = len(data.train_labels) // BATCH

    def optimizer(key):
        rule = analogjax.residual_learning(
            rates.learning_rate,
            SoftBounds.with_states(states),
            key=key,
            num_tiles=TILES,
            gamma=rates.gamma,
            transfer_lr=rates.transfer_lr,
            transfer_every=rates.transfer_every,
            reads_per_transfer=rates.reads_per_transfer,
            warm_start=analogjax.Stages(epochs * steps // (TILES - 1)),
            chain=False,
            pulses=pulses,
        )
        digital = optax.sgd(rates.digital_learning_rate)
        return optax.partition({"analog": rule, "digital": digital}, labels)

    training = over_seeds(make_training(model, optimizer, data, batch_size=BATCH, factors=factors))
    state = training.init(jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32)))
    epoch = jax.jit(training.epoch, donate_argnums=0)
    for _ in range(epochs):
        state, metrics = epoch(state)
    return [float(accuracy) for accuracy in metrics.test_accuracy]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="folder of the four IDX files of MNIST")
    options = parser.parse_args()
    digits = load("digits", None, train_size=None, download=False)
    tasks = {"digits": (DigitsNet(), digits, 4, 24, RuleSettings(num_tiles=TILES).complete(), 24)}
    if options.data_dir:
        mnist = load("mnist", options.data_dir, train_size=10_000, download=False)
        rates = RuleSettings(
            num_tiles=TILES, learning_rate=0.1, gamma=0.5, transfer_lr=0.1, reads_per_transfer=4,
            digital_learning_rate=0.05,
        )  # fmt: skip
        tasks["mnist"] = LeNet5(), mnist, 10, 6, rates, 6
    rows = []
    for task, (model, data, states, epochs, rates, seeds) in tasks.items():
        for name, (pulses, factors) in SCHEMES.items():
            final = accuracies(model, data, states, epochs, rates, range(seeds), pulses, factors)
            rows.append({"task": task, "scheme": name, "epochs": epochs, "test_accuracy": final})
            mean, spread = 100 * np.mean(final), 100 * np.std(final, ddof=1)
            print(f"{task:8s} {name:34s} {mean:.1f} ± {spread:.1f}", flush=True)
    write_json(RESULT, {"machine": machine(), "runs": rows})


if __name__ == "__main__":
    main()
