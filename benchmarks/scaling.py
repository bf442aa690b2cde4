"""How the cost of a training step grows with crosspoints, mini-batch and number of tiles.

Usage: python benchmarks/scaling.py [--rounds N] [--only SWEEP ...] [--out FILE] [--draw]

Square layers of 64 to 2048 inputs at batch 8, a 512 by 512 layer with mini-batches of 1 to 128, and
LeNet-5 at batch 8 on 1 to 8 tiles, each beside digital SGD of the same network; networks, data and
rates are those of _tasks.py, at which a sample sends as many pulses to a crosspoint whatever the
size of layer and mini-batch. Jobs are timed in turn, round after round; medians are drawn, ratios
being of the same round. The sweeps are called crosspoints, mini-batch and tiles. The record goes
to results/scaling.json and the figure, once there are all sweeps, beside it; --draw only draws the
figure of a record anew.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from _tasks import Task, digital, layer, lenet, residual
from _timing import Training, in_turn, machine, median_ratio

from analogjax.experiments._files import write_json, write_whole

RESULT = Path(__file__).parent / "results" / "scaling.json"
SIZES = 64, 128, 256, 512, 1024, 2048
SWEEPS = "crosspoints", "mini-batch", "tiles"
BATCHES = 1, 2, 4, 8, 16, 32, 64, 128
TILES = 1, 2, 3, 4, 5, 6, 7, 8
COLORS = {0: "black", 1: "C3", 6: "#1b7837"}
NAMES = {0: "digital SGD", 1: "analog SGD, 1 tile", 6: "residual learning, 6 tiles"}


class Point(NamedTuple):
    """One point of a sweep: where it lies, and the number of tiles (0 for digital SGD)."""

    sweep: str
    at: int
    tiles: int


def points() -> dict[Point, tuple[Task, int]]:
    """Network and mini-batch of every point."""
    layers, network = {size: layer(size) for size in SIZES}, lenet()
    found = {}
    for tiles in NAMES:
        for size in SIZES:
            found[Point("crosspoints", size**2, tiles)] = layers[size], 8
        for batch in BATCHES:
            found[Point("mini-batch", batch, tiles)] = layers[512], batch
    for tiles in (0, *TILES):
        found[Point("tiles", tiles, tiles)] = network, 8
    return dict(sorted(found.items()))  # A network's jobs side by side.


def started(only: list[str] | None) -> tuple[dict[Point, Training], dict[Point, int]]:
    """The trainings of all chosen points, compiled, and their mini-batches."""
    runs, batches = {}, {}
    for point, (task, batch) in points().items():
        if only and point.sweep not in only:
            continue
        rate = task.rate * batch
        optimizer = residual(rate, point.tiles) if point.tiles else digital(rate)
        runs[point], batches[point] = Training(task, optimizer, batch), batch
        print(*point, runs[point].record(), flush=True)
    return runs, batches


def records(runs, batches, rates) -> list[dict]:
    """Time of a step at each point, and its ratio to digital SGD's."""
    rows = []
    for point, values in rates.items():
        base = point._replace(tiles=0, at=0 if point.sweep == "tiles" else point.at)
        rows.append(
            point._asdict()
            | {
                "microseconds": 1e6 * batches[point] / statistics.median(values),
                "of_digital": median_ratio(rates[base], values),
            }
            | runs[point].record()
            | {"rounds": values}
        )
    return rows


def line(rows: list[dict], sweep: str, tiles: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and times of one line of the figure."""
    found = [row for row in rows if row["sweep"] == sweep and row["tiles"] == tiles]
    return np.array([[row["at"], row["microseconds"]] for row in found]).T


def draw_growth(axes, rows: list[dict], sweep: str) -> None:
    """Time of a step on logarithmic axes, above a short line that is proportional."""
    for tiles, name in NAMES.items():
        at, time = line(rows, sweep, tiles)
        style = "--" if tiles == 0 else "-"
        axes.loglog(at, time / 1e3, style, marker="o", ms=4, color=COLORS[tiles], label=name)
    guide = np.array([at[-1] / 12, at[-1]])
    at, time = line(rows, sweep, 0)
    lowest = (time / at)[at >= guide[0]].min() / 1e3 / 1.7
    axes.loglog(guide, lowest * guide, ":", color="grey", lw=1.8, label="proportional")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(ylabel="time of a step (ms)")


def draw_tiles(axes, rows: list[dict]) -> None:
    """Time of a step in units of digital SGD's, over the number of tiles."""
    found = [row for row in rows if row["sweep"] == "tiles" and row["tiles"]]
    at, ratio = np.array([[row["at"], row["of_digital"]] for row in found]).T
    axes.plot(at, ratio[0] * at, ":", color="grey", lw=1.8, label="proportional")
    axes.plot(at, ratio, marker="o", ms=4, color=COLORS[6], label="residual learning")
    axes.axhline(1.0, ls="--", color=COLORS[0], label=NAMES[0])
    axes.set(xlabel="tiles", ylabel="time of a step / digital SGD's", xticks=TILES)
    axes.set_ylim(0, 2.2 * ratio.max())


def draw(path: Path, rows: list[dict]) -> None:
    """The figure: one panel for each sweep."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    figure.get_layout_engine().set(wspace=0.06)
    draw_growth(axes[0], rows, "crosspoints")
    axes[0].set(xlabel="crosspoints", title="Square layers, batch 8")
    draw_growth(axes[1], rows, "mini-batch")
    axes[1].set(xlabel="mini-batch", title="Layer of 512 by 512")
    axes[1].set_xticks(BATCHES, BATCHES)
    axes[1].minorticks_off()
    draw_tiles(axes[2], rows)
    axes[2].set(title="LeNet-5, batch 8")
    for panel in axes:
        panel.grid(alpha=0.25, lw=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].legend(fontsize="small", frameon=False, loc="upper left")
    axes[2].legend(fontsize="small", frameon=False, loc="upper right")
    write_whole(path, lambda p: figure.savefig(p, dpi=150))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=SWEEPS, help="the sweeps to run")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--draw", action="store_true", help="make no measurements")
    options = parser.parse_args()
    if not options.draw:
        runs, batches = started(options.only)
        rows = records(runs, batches, in_turn(runs, options.rounds))
        write_json(options.out, {"machine": machine(), "points": rows})
    rows = json.loads(options.out.read_text())["points"]
    if {row["sweep"] for row in rows} == set(SWEEPS):
        draw(options.out.with_suffix(".png"), rows)


if __name__ == "__main__":
    main()
