"""A training that is killed, stopped or out of room, and goes on as if nothing had been."""

import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from analogjax.experiments._checkpoint import PARTIAL

MAIN = "import sys; from analogjax.experiments._cli import main; sys.exit(main(sys.argv[1:]))"
# What runs in the background of a shell ignores SIGINT, and so do those that it starts.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
# A network that compiles in a tenth of the time.
SMALL = """
from flax import linen as nn
from analogjax.experiments import _options
from analogjax.nn import linen as ann

class OneLayer(nn.Module):
    @nn.compact
    def __call__(self, x):
        return ann.Dense(10)(x.reshape(x.shape[0], -1))

_options.network_for = lambda dataset: OneLayer()
"""
# What is under way takes longer than any test waits.
ENDLESS = """
import time
from analogjax.experiments import _options

def endless(dataset):
    print("under way", flush=True)
    time.sleep(3600)

_options.network_for = endless
"""
TASK = ("train", "--rule", "analog-sgd", "--train-size", "64")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts the command in a process of its own; compiled programs are kept between them."""
    cache = str(tmp_path_factory.mktemp("cache"))
    kept = {
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }

    def start(*arguments: str, before: str = SMALL) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", HEARS + before + MAIN, *TASK, *arguments],
            env=os.environ | kept,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def finish(process: subprocess.Popen) -> tuple[int, str]:
    output = process.communicate(timeout=300)[0]
    return process.returncode, output


def metrics(out: Path) -> list[dict]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert all(row.pop("samples_per_second") > 0 for row in rows)
    return rows


def final_state(out: Path) -> dict[str, np.ndarray]:
    newest = max((out / "checkpoints").iterdir())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sharding info not provided")
        state = ocp.load(newest / "state")
    return {
        name: np.asarray(value) for name, value in state.items() if "key" not in name.split("/")
    }


def assert_same_run(one: Path, other: Path):
    assert metrics(one) == metrics(other)
    states = final_state(one), final_state(other)
    assert states[0].keys() == states[1].keys()
    assert any(name.endswith("tiles/0/w") or name.endswith("tile/w") for name in states[0])
    for name, value in states[0].items():
        assert value.tobytes() == states[1][name].tobytes(), name


def wait_for(condition, process: subprocess.Popen):
    while not condition() and process.poll() is None:
        time.sleep(0.002)


def names(out: Path, pattern: str) -> set[str]:
    return {path.name for path in (out / "checkpoints").glob(pattern)}


def kill_again_and_again(start, out: Path, kills: int) -> int:
    """Kills the run at random moments, every second time while a checkpoint is being written."""
    moments, done = random.Random(0), 0
    for number in range(kills):
        process = start("--resume", "--out", str(out))
        before = names(out, "0*")
        if number % 2:
            wait_for(lambda: names(out, f"{PARTIAL}*"), process)
        else:
            wait_for(lambda before=before: names(out, "0*") - before, process)
        # A fraction of an epoch, or a few: a quick machine is not to come to the end before.
        time.sleep(moments.uniform(0.0, 0.2))
        done += process.poll() is None
        process.send_signal(signal.SIGKILL)
        finish(process)
    return done


def check_kills(start, directory: Path, kills: int, epochs: int):
    """A run that is killed ends as one that is not: all files but the times, and all states."""
    start = functools.partial(start, "--epochs", str(epochs), "--checkpoint-every", "1")
    whole, killed = directory / "whole", directory / "killed"
    assert finish(start("--out", str(whole)))[0] == 0
    assert kill_again_and_again(start, killed, kills) == kills
    code, output = finish(start("--resume", "--out", str(killed)))
    assert code == 0, output
    assert [row["epoch"] for row in metrics(killed)] == list(range(1, epochs + 1))
    assert_same_run(whole, killed)
    assert names(killed, f"{PARTIAL}*") == set()


def test_killed_at_random_moments_it_ends_as_if_it_never_had_been(start, tmp_path):
    check_kills(start, tmp_path, kills=2, epochs=36)


@pytest.mark.slow
def test_killed_fifty_times_the_network_of_the_digits_ends_as_if_it_never_had_been(start, tmp_path):
    check_kills(functools.partial(start, before=""), tmp_path, kills=50, epochs=240)


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_a_signal_ends_it_after_the_epoch_with_a_checkpoint(start, tmp_path, number):
    arguments = ("--epochs", "3000", "--out", str(tmp_path))
    process = start(*arguments, "--checkpoint-every", "5")
    wait_for(lambda: names(tmp_path, "0*"), process)
    process.send_signal(number)
    code, output = finish(process)
    assert code == 128 + number
    assert f"{number.name}: what is under way is finished first" in output
    assert "Analog SGD was stopped after epoch " in output
    assert "Go on with --resume." in output
    epoch = int(max(names(tmp_path, "0*")))
    assert f"after epoch {epoch} of 3000" in output
    assert len(metrics(tmp_path)) == epoch


def test_a_second_signal_ends_it_at_once(start, tmp_path):
    process = start("--out", str(tmp_path), before=ENDLESS)
    assert process.stdout.readline() == "under way\n"
    process.send_signal(signal.SIGINT)
    assert "what is under way is finished first; once more" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == -signal.SIGINT
    assert not (tmp_path / "checkpoints").exists()
