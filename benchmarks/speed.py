"""Measures the speed of analog trainings against digital SGD of the same network.

Usage: python benchmarks/speed.py [--peer PYTHON] [--rounds N]

LeNet-5 on digits enlarged to 28 by 28, batch 8, 10-state devices with all their variation. All jobs
are compiled first and then timed in turn, round after round, so that a change of the machine's
speed meets them alike; what counts is the median over rounds of the ratio to digital SGD within a
round. With --peer, an interpreter that has aihwkit times the same network and device there, in the
same rounds and on one thread, its fastest. The record goes to results/speed.json.
"""

import argparse
import statistics
import subprocess
import time
from pathlib import Path

import jax
import numpy as np

from analogjax.devices import SoftBounds
from analogjax.experiments._data import ImageSet, load
from analogjax.experiments._files import write_json
from analogjax.experiments._models import LeNet5
from analogjax.experiments._rules import RuleSettings, make_optimizer
from analogjax.experiments._training import make_training

HERE = Path(__file__).parent
BATCH = 8
# The rates of the MNIST run for the record.
RECORD = {"learning_rate": 0.1, "gamma": 0.5, "transfer_lr": 0.1, "digital_learning_rate": 0.05}


def jobs() -> dict[str, tuple[RuleSettings, bool]]:
    """The settings of each job, and whether its rule is given the factors."""

    def residual(num_tiles, factors=True):
        return RuleSettings(rule="residual-learning", num_tiles=num_tiles, **RECORD), factors

    return {
        "digital SGD": (RuleSettings(rule="digital-sgd", learning_rate=0.05), True),
        "analog SGD": (RuleSettings(rule="analog-sgd", learning_rate=0.05), True),
        **{f"residual learning, {n} tiles": residual(n) for n in (2, 4, 6, 8)},
        "residual learning, 6 tiles, summed gradient": residual(6, factors=False),
    }


def images() -> ImageSet:
    """Digits, each pixel drawn three times as wide and high, in a frame."""
    data = load("digits", None, train_size=None, download=False)

    def enlarged(x):
        x = np.kron(np.asarray(x)[..., 0], np.ones((1, 3, 3), np.float32))
        return np.pad(x, ((0, 0), (2, 2), (2, 2)))[..., None]

    few = slice(0, BATCH)  # The accuracy is not of interest here.
    return ImageSet(
        enlarged(data.train_images),
        data.train_labels,
        enlarged(data.test_images[few]),
        data.test_labels[few],
    )


def compiled(data: ImageSet, settings: RuleSettings, factors: bool):
    """A function that trains one more epoch and gives its samples/s; and the seconds to compile."""
    steps = len(data.train_labels) // BATCH
    device = SoftBounds.with_states(10)

    def optimizer(key):
        return make_optimizer(settings, device, key, epochs=12, steps_per_epoch=steps)

    training = make_training(LeNet5(), optimizer, data, batch_size=BATCH, factors=factors)
    state = [jax.jit(training.init)(jax.random.key(0))]
    start = time.perf_counter()
    epoch = jax.jit(training.epoch).lower(state[0]).compile()
    seconds = time.perf_counter() - start

    def run() -> float:
        start = time.perf_counter()
        state[0] = jax.block_until_ready(epoch(state[0]))[0]
        return steps * BATCH / (time.perf_counter() - start)

    return run, seconds


def peer_rate(python: str) -> float:
    """Samples/s of aihwkit, in a process of its own."""
    command = [python, str(HERE / "peer_speed.py")]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="a Python interpreter that has aihwkit")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="*", help="names of the jobs to run")
    options = parser.parse_args()
    data = images()
    chosen = {n: job for n, job in jobs().items() if not options.only or n in options.only}
    runs, seconds = {}, {}
    for name, job in chosen.items():
        runs[name], seconds[name] = compiled(data, *job)
        print(f"compiled {name} in {seconds[name]:.1f} s", flush=True)
        runs[name]()  # The first call is slower.
    rates: dict[str, list[float]] = {name: [] for name in runs}
    if options.peer:
        runs["aihwkit, 6 tiles"] = lambda: peer_rate(options.peer)
        rates["aihwkit, 6 tiles"] = []
    for _ in range(options.rounds):
        for name, run in runs.items():
            rates[name].append(run())
    table = {}
    for name, values in rates.items():
        ratios = [a / b for a, b in zip(values, rates["digital SGD"], strict=True)]
        table[name] = {
            "samples_per_second": statistics.median(values),
            "of_digital": statistics.median(ratios),
            "compile_seconds": seconds.get(name),
            "rounds": values,
        }
        print(f"{name:48s} {statistics.median(values):8,.0f}  {statistics.median(ratios):.2f}")
    write_json(HERE / "results" / "speed.json", {"batch_size": BATCH, "jobs": table})


if __name__ == "__main__":
    main()
