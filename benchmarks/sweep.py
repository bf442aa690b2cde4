"""Times a sweep of 64 trainings of the digits network against the same trainings one by one.

Usage: python benchmarks/sweep.py

Each way runs in a process of its own, whose start is not counted: all cells by ``sweep``, on a
device for each core; all cells by one compiled training, called for one cell after the other with
as many threads as there are cores; some cells by a training that is compiled for each, as by runs
of ``analogjax train``. Results are the seconds of each way, and how far its losses are from those
of the sweep.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "sweep.json"
GRID = {"states": [4.0, 6.0, 8.0, 10.0], "gamma": [0.2, 0.3, 0.4, 0.5], "seed": [0, 1, 2, 3]}
EPOCHS, TILES, BATCH, AT_ONCE = 6, 4, 8, 16
COMPILED_EACH = 3  # Cells that are enough to know how long all of them take.
WAYS = ("sweep", "compiled once", "compiled each time")


def training(data):
    """From the values of a cell to its whole training."""
    import jax

    from analogjax.devices import SoftBounds
    from analogjax.experiments import DigitsNet, make_training
    from analogjax.experiments._rules import RuleSettings, make_optimizer
    from analogjax.experiments._training import whole_training

    steps = len(data.train_labels) // BATCH

    def train(states, gamma, seed):
        def optimizer(key):
            settings = RuleSettings(num_tiles=TILES, gamma=gamma)
            device = SoftBounds.with_states(states)
            return make_optimizer(settings, device, key, epochs=EPOCHS, steps_per_epoch=steps)

        one = make_training(DigitsNet(), optimizer, data, batch_size=BATCH)
        metrics = whole_training(one, jax.random.key(seed), EPOCHS)
        return {"accuracy": metrics.test_accuracy[-1], "loss": metrics.train_loss[-1]}

    return train


def one_way(way: str) -> dict:
    """The rows of one way with its seconds; runs in a process of its own."""
    import jax

    if way == "sweep":
        jax.config.update("jax_num_cpu_devices", os.cpu_count())
    from analogjax.experiments import load, sweep
    from analogjax.experiments._sweep_grid import cells_of, columns

    data = load("digits")
    train, cells = training(data), cells_of(GRID)
    start = time.perf_counter()
    if way == "sweep":
        rows = sweep(train, cells, at_once=AT_ONCE)
        seconds = time.perf_counter() - start
        running = sum(row["seconds"] for row in rows)
        return {"rows": rows, "seconds": seconds, "compile_seconds": seconds - running}
    if way == "compiled each time":
        cells = cells[:COMPILED_EACH]
    arrays = [{k: v[0] for k, v in columns([cell], ()).items()} for cell in cells]
    rows, compiling, compiled = [], 0.0, None
    for cell, values in zip(cells, arrays, strict=True):
        if compiled is None or way == "compiled each time":
            before = time.perf_counter()
            jax.clear_caches()
            compiled = jax.jit(lambda values: train(**values)).lower(values).compile()
            compiling += time.perf_counter() - before
        rows.append(cell | {k: float(v) for k, v in jax.device_get(compiled(values)).items()})
    seconds = time.perf_counter() - start
    return {"rows": rows, "seconds": seconds, "compile_seconds": compiling}


def main() -> None:
    """Runs the three ways one after the other and writes the result file."""
    from analogjax.experiments._files import write_json
    from analogjax.experiments._versions import versions

    found = {}
    for way in WAYS:
        environment = dict(os.environ) | ({"NPROC": "1"} if way == "sweep" else {})
        command = [sys.executable, __file__, way]
        output = subprocess.run(
            command, env=environment, capture_output=True, check=True, text=True
        )
        found[way] = json.loads(output.stdout.splitlines()[-1])
    cells = found["sweep"]["rows"]
    content = versions() | {
        "cpus": os.cpu_count(),
        "cells": len(cells),
        "epochs": EPOCHS,
        "tiles": TILES,
        "ways": [],
    }
    for way, result in found.items():
        rows = result.pop("rows")
        far = [abs(a["loss"] - b["loss"]) / b["loss"] for a, b in zip(rows, cells, strict=False)]
        content["ways"].append(
            {"way": way, "cells": len(rows), "largest_deviation": max(far), **result}
        )
    write_json(RESULT, content)
    print(json.dumps(content, indent=2))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one_way(sys.argv[1])))
    else:
        main()
