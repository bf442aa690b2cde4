"""How fast analog trainings are, against digital SGD of the same network and against aihwkit.

Usage: python benchmarks/speed.py [--peer PYTHON] [--rounds N] [--only PART ...] [--out FILE]

LeNet-5 and the dense network 784-256-128-10 on digits enlarged to 28 by 28, and a 512 by 512 layer
that regresses normal inputs to a random matrix (see _tasks.py), with mini-batches of 1, 8 and 64
and ten-state devices with all their variation: digital SGD; residual learning on 1, 2, 4, 6 and 8
tiles (on one it is analog SGD) with the pulses of every sample; on 6 tiles also with the summed
gradient, and with the exact pulses sample by sample.

The jobs of a network and mini-batch are compiled first and then timed in turn, round after round,
so that a change of the machine's speed meets them alike; what counts is the median over rounds of a
ratio within a round.
PYTHON is an interpreter that has aihwkit, which then trains the same networks on the same data and
devices of 1 and 6 tiles in the same rounds, each with one or two threads, whichever is faster.
--only selects the jobs whose names contain one of the given parts, such as "LeNet-5, batch 8,".
The record goes to results/speed.json.
"""

import argparse
import contextlib
import itertools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
from _peer import Peer, PeerTraining
from _tasks import Task, digital, layer, lenet, residual, sigmoid
from _timing import Training, in_turn, machine, median_ratio

from analogjax.experiments._files import write_json
from analogjax.pulses import CoincidencePulses

RESULT = Path(__file__).parent / "results" / "speed.json"
BATCHES, TILES = (1, 8, 64), (1, 2, 4, 6, 8)
DIGITAL = "digital SGD"
PEER = {1: "aihwkit, 1 tile", 6: "aihwkit, 6 tiles"}


class Job(NamedTuple):
    """One thing to time."""

    network: str
    batch: int
    name: str

    def __str__(self) -> str:
        return f"{self.network}, batch {self.batch}, {self.name}"


def title(num_tiles: int) -> str:
    """What residual learning on so many tiles is called."""
    return "analog SGD, 1 tile" if num_tiles == 1 else f"residual learning, {num_tiles} tiles"


def starters(task: Task, batch: int, peer: Peer | None) -> dict[str, Callable]:
    """For each job of a network and mini-batch a function that gets it ready to be timed."""
    rate = task.rate * batch

    def training(optimizer, factors=True):
        return lambda: Training(task, optimizer, batch, factors=factors)

    def peer_training(num_tiles):
        return lambda: PeerTraining(peer, task, batch, num_tiles)

    ours = {
        DIGITAL: training(digital(rate)),
        **{title(n): training(residual(rate, n)) for n in TILES},
        f"{title(6)}, summed gradient": training(residual(rate, 6), factors=False),
        f"{title(6)}, exact pulses": training(residual(rate, 6, CoincidencePulses())),
    }
    return ours | ({name: peer_training(n) for n, name in PEER.items()} if peer else {})


def started(
    task: Task, batch: int, peer: Peer | None, only: list[str] | None
) -> dict[Job, Callable]:
    """The chosen jobs of a network and mini-batch, compiled."""
    runs = {}
    for name, start in starters(task, batch, peer).items():
        job = Job(task.name, batch, name)
        if not only or any(part in str(job) for part in only):
            runs[job] = start()
            print(f"{job}: {runs[job].record()}", flush=True)
    return runs


def records(runs: dict[Job, Callable], rates: dict[Job, list[float]]) -> list[dict]:
    """What was measured of each job."""
    against = {title(n): name for n, name in PEER.items()}
    against[f"{title(6)}, summed gradient"] = PEER[6]
    rows = []
    for job, values in rates.items():
        digital_job = job._replace(name=DIGITAL)
        peer_job = job._replace(name=against.get(job.name, ""))
        row = job._asdict() | {"samples_per_second": statistics.median(values)}
        if digital_job in rates:
            row["of_digital"] = median_ratio(values, rates[digital_job])
        if peer_job in rates:
            row["of_aihwkit"] = median_ratio(values, rates[peer_job])
        rows.append(row | runs[job].record() | {"rounds": values})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="a Python interpreter that has aihwkit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="parts of the names of the jobs to run")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    tasks = [lenet(), sigmoid(), layer(512)]
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(Peer(options.peer, tasks)) if options.peer else None
        rows = []
        # One group after another, since the memory maps of so many programs are more than a
        # process may have.
        for task, batch in itertools.product(tasks, BATCHES):
            runs = started(task, batch, peer, options.only)
            rows += records(runs, in_turn(runs, options.rounds))
            del runs
            jax.clear_caches()
    for row in rows:
        name = f"{row['network']}, batch {row['batch']}, {row['name']}"
        print(f"{name:64s} {row['samples_per_second']:9,.0f} {row.get('of_digital', 0):6.2f}")
    write_json(options.out, {"machine": machine(), "jobs": rows})


if __name__ == "__main__":
    main()
