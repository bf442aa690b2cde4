"""How many trainings of LeNet-5 an hour gives where several run at once.

Usage: python benchmarks/trainings.py [--at-once N ...] [--out FILE]

Residual learning on 6 tiles of ten-state devices with all their variation, every sample's pulses,
on digits enlarged to 28 by 28, in mini-batches of 8; the trainings differ in their seed and run in
one call under vmap. A training is 12 epochs of 10,000 images; steps are timed and the hour is
reckoned from them. The record goes to results/trainings.json, by the platform.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import jax
from _tasks import lenet, residual
from _timing import machine

from analogjax.experiments._data import ImageSet
from analogjax.experiments._files import write_json
from analogjax.experiments._models import LeNet5
from analogjax.experiments._training import make_training, over_seeds

RESULT = Path(__file__).parent / "results" / "trainings.json"
BATCH, TILES, ROUNDS = 8, 6, 3
STEPS = 12 * 10_000 // BATCH


def timed(at_once: int) -> dict:
    """The time of a step of so many trainings at once, the test after an epoch not counted."""
    task = lenet()
    data = ImageSet(task.x, task.y, task.x[:BATCH], task.y[:BATCH])
    training = over_seeds(
        make_training(
            LeNet5(),
            lambda key: residual(task.rate * BATCH, TILES, key=key),
            data,
            batch_size=BATCH,
        )
    )
    state = jax.jit(training.init)(jax.random.split(jax.random.key(0), at_once))
    start = time.perf_counter()
    epoch = jax.jit(training.epoch, donate_argnums=0).lower(state).compile()
    compiled = time.perf_counter() - start
    state, _ = epoch(state)  # The first call is slower.
    seconds = []
    for _ in range(ROUNDS):
        jax.block_until_ready(state)
        start = time.perf_counter()
        state, _ = epoch(state)
        jax.block_until_ready(state)
        seconds.append((time.perf_counter() - start) / training.steps_per_epoch)
    step = statistics.median(seconds)
    return {
        "at_once": at_once,
        "compile_seconds": round(compiled, 2),
        "step_milliseconds": 1e3 * step,
        "trainings_per_hour": at_once * 3600 / (STEPS * step),
        "rounds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at-once", type=int, nargs="*", default=[1, 16, 64, 256])
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    content = json.loads(options.out.read_text()) if options.out.exists() else {}
    content[jax.default_backend()] = {"machine": machine(), "runs": []}
    for at_once in options.at_once:
        row = timed(at_once)
        print(row, flush=True)
        content[jax.default_backend()]["runs"].append(row)
        write_json(options.out, content)


if __name__ == "__main__":
    main()
