"""Runs every reproduction at its quick scale, one on each core, for docs/reproduction.md.

Usage: python benchmarks/reproduce.py [NAME ...]

Results of these scales that are there are removed first. The page is then written by
``python benchmarks/report.py``, from these results and those of paper scale; how long each
reproduction took goes to results/reproduce/seconds.json.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from analogjax.experiments._cli import main
from analogjax.experiments._files import write_json
from analogjax.experiments._versions import versions
from analogjax.experiments.papers import ALL

RESULTS = Path(__file__).parent / "results" / "reproduce"
SECONDS = RESULTS / "seconds.json"


def directory(name: str) -> Path:
    """Where its results are."""
    return RESULTS / f"{name}-quick"


def run(name: str, core: int) -> float:
    """Runs a reproduction in a process of its own on one core; how long it took."""
    shutil.rmtree(directory(name), ignore_errors=True)
    start = time.perf_counter()
    command = [sys.executable, __file__, "--on", str(core), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def run_all(names: list[str]) -> None:
    """Runs reproductions side by side, those that take longest first."""
    content = json.loads(SECONDS.read_text()) if SECONDS.exists() else {"each": {}, "together": []}
    known = content["each"]
    content["together"] = [name for name in content["together"] if name not in names]
    names = sorted(names, key=lambda name: -known.get(name, 0))
    free: queue.Queue[int] = queue.Queue()
    for core in sorted(os.sched_getaffinity(0)):
        free.put(core)

    def one(name: str) -> None:
        core = free.get()
        known[name] = round(run(name, core), 1)
        free.put(core)
        print(f"{name}: {known[name]:.0f} s", flush=True)
        write_json(SECONDS, content)

    start = time.perf_counter()
    with ThreadPoolExecutor(free.qsize()) as pool:
        list(pool.map(one, names))
    if set(names) == set(ALL):
        seconds = round(time.perf_counter() - start, 1)
        together = {"all": seconds, "together": sorted(names), "cores": free.qsize()}
        write_json(SECONDS, content | versions() | together)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--on"]:
        core, name = sys.argv[2:]
        os.sched_setaffinity(0, {int(core)})
        raise SystemExit(main(["reproduce", name, "--out", str(directory(name))]))
    run_all(sys.argv[1:] or list(ALL))
