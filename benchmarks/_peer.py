"""Trainings in aihwkit, in processes of their own: see peer_speed.py, which these run."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from _tasks import GAMMA, TRANSFER_EVERY, TRANSFER_LR, Task

SCRIPT = Path(__file__).parent / "peer_speed.py"
THREADS = 1, 2


class Peer:
    """An interpreter that has aihwkit, once for each number of threads.

    Only one of the processes ever works; the others wait for their next job.
    """

    def __init__(self, python: str, tasks: list[Task]):
        self._folder = tempfile.TemporaryDirectory()
        data = Path(self._folder.name) / "data.npz"
        np.savez(data, **{f"{t.name} {part}": getattr(t, part) for t in tasks for part in "xy"})
        self._processes = {
            threads: subprocess.Popen(
                [python, str(SCRIPT), str(data)],
                env=os.environ | {"OMP_NUM_THREADS": str(threads)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for threads in THREADS
        }

    def rate(self, threads: int, job: dict) -> float:
        """Samples/s of training a job a while longer."""
        process = self._processes[threads]
        print(json.dumps(job), file=process.stdin, flush=True)
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{SCRIPT.name} ended on {job}; what it printed is above.")
        return float(answer)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_) -> None:
        for process in self._processes.values():
            process.communicate()  # The end of its input ends it.
        self._folder.cleanup()


class PeerTraining:
    """A training in aihwkit that goes on for a while at each call, on its best number of threads.

    Attributes:
      threads: the number of threads that was the fastest when all were tried once.
    """

    def __init__(self, peer: Peer, task: Task, batch: int, num_tiles: int):
        self._peer = peer
        self._job = {
            "network": task.name,
            "batch": batch,
            "tiles": num_tiles,
            "rate": task.rate * batch,
            "gamma": GAMMA,
            "transfer_lr": TRANSFER_LR,
            "transfer_every": TRANSFER_EVERY,
        }
        rates = {threads: peer.rate(threads, self._job) for threads in THREADS}
        self.threads = max(rates, key=rates.__getitem__)

    def __call__(self) -> float:
        """Trains on and gives the samples/s."""
        return self._peer.rate(self.threads, self._job)

    def record(self) -> dict:
        """What else there is to tell of it."""
        return {"threads": self.threads}
