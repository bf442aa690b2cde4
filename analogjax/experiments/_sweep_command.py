"""``analogjax sweep``: a grid of whole trainings, compiled once for each static combination."""

import dataclasses
import textwrap
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from analogjax._words import setting
from analogjax.experiments._data import checksum
from analogjax.experiments._files import check_directory, write_json, write_whole
from analogjax.experiments._options import TaskOptions, check_seed
from analogjax.experiments._progress import count_progress
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._stop import Stop, never
from analogjax.experiments._sweep import Row, check_at_once, sweep
from analogjax.experiments._sweep_file import read_rows
from analogjax.experiments._sweep_training import (
    Over,
    cell_training,
    parse_over,
    static_settings,
    sweep_cells,
)
from analogjax.experiments._used import USED
from analogjax.experiments._versions import versions
from analogjax.experiments._words import counted, pulses_sent


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Train a network once for every combination of some settings, side by side.

    Attributes:
      task: what to train on.
      settings: the rule and its rates.
      over: what to sweep, ``name=value,value`` each: any setting of the rule, ``states``,
        ``epochs``, ``batch_size`` or a number of the device such as ``dw_min_std``; if not given,
        ``states=4,10`` and, where the rule has it, ``gamma=0.3,0.5,0.7``; for digital-sgd,
        ``learning_rate=0.03,0.1,0.3``.
      seeds: trainings of each combination, with seeds ``seed``, ``seed + 1``, ...
      at_once: trainings in one call; as many as fit the memory if not given.
      out: directory of the results: cells.jsonl, summary.json, sweep.png. A sweep that was stopped
        goes on from its cells.jsonl.
    """

    task: Annotated[TaskOptions, tyro.conf.arg(name="")] = TaskOptions()  # noqa: RUF009
    settings: Annotated[RuleSettings, tyro.conf.arg(name="")] = RuleSettings()  # noqa: RUF009
    over: tuple[str, ...] = ()
    seeds: int = 3
    at_once: int | None = None
    out: Path = Path("results/sweep")


def sweep_command(options: SweepOptions, console: Console, stop: Stop = never) -> list[Row]:
    """Runs the sweep, with a progress bar, and writes its rows, summary and figure.

    Args:
      options: of the command.
      console: for the bar and the table.
      stop: whether to end after the trainings under way.

    Raises:
      ValueError, OSError: with one sentence on what is wrong.
      Stopped: where ``stop`` came true; the same command then goes on.
    """
    if options.seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {options.seeds}.")
    check_at_once(options.at_once)
    options.task.check()
    check_seed(options.task.seed + options.seeds - 1)
    check_directory(options.out)
    over = parse_over(options.over or _usual(options.settings.rule), options.task)
    data = options.task.images()
    cells = sweep_cells(options.task, options.settings, over, options.seeds, checksum(data))
    train = cell_training(options.task, data, cells)
    old = len(read_rows(options.out / "cells.jsonl", cells))
    start = time.perf_counter()
    with count_progress(console, "trainings", len(cells)) as advance:
        accuracies: list[float] = []

        def on_rows(rows: list[Row]) -> None:
            accuracies.extend(row["test_accuracy"] for row in rows if not _is_diverged(row))
            advance(len(rows), f"best {100 * max(accuracies, default=0.0):.1f} %")

        rows = sweep(
            train,
            cells,
            static=static_settings(cells[0], over),
            at_once=options.at_once,
            out=options.out / "cells.jsonl",
            on_rows=on_rows,
            stop=stop,
        )
    seconds = round(time.perf_counter() - start, 1)
    content = {
        **versions(),
        "over": over,
        "seeds": options.seeds,
        "settings": {name: value for name, value in cells[0].items() if name not in over},
        "seconds": seconds,
        "on_file_before": old,
        "results": [{**values, **_statistics(own)} for values, own in _combinations(rows, over)],
    }
    write_json(options.out / "summary.json", content)
    write_whole(options.out / "sweep.png", lambda path: _figure(path, rows, over))
    console.print(_table(rows, over))
    diverged = sum(map(_is_diverged, rows))
    if diverged:
        console.print(
            f"{counted(diverged, 'training')} of {len(rows)} diverged (the loss is not finite) and "
            f"counts for no accuracy: lower the learning rate there.",
            soft_wrap=True,
        )
    console.print(
        f"{counted(len(cells) - old, 'training')} in {seconds:,.0f} s, compilation included, "
        f"{old} on file. Rows, settings and heat map are in {options.out}/",
        soft_wrap=True,
    )
    return rows


def _usual(rule: str) -> tuple[str, ...]:
    """What is swept if nothing is said."""
    if rule == "digital-sgd":
        return ("learning_rate=0.03,0.1,0.3",)
    gamma = ("gamma=0.3,0.5,0.7",) if "gamma" in USED.get(rule, ()) else ()
    return "states=4,10", *gamma


def _combinations(rows: list[Row], over: Over) -> list[tuple[dict, list[Row]]]:
    """The rows of each combination of what was swept: one a seed."""
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in over), []).append(row)
    return [(dict(zip(over, values, strict=True)), own) for values, own in found.items()]


def _is_diverged(row: Row) -> bool:
    return row["train_loss"] is None or row["test_loss"] is None


def _statistics(rows: list[Row]) -> dict[str, Any]:
    """Over the rows that did not diverge; None if all of them did."""
    sound = [row for row in rows if not _is_diverged(row)]
    accuracy = [row["test_accuracy"] for row in sound]
    return {
        "test_accuracy_mean": float(np.mean(accuracy)) if sound else None,
        "test_accuracy_std": float(np.std(accuracy, ddof=1)) if len(sound) > 1 else 0.0,
        "pulses_mean": float(np.mean([row["pulses"] for row in rows])),
        "diverged": len(rows) - len(sound),
    }


def _table(rows: list[Row], over: Over) -> Table:
    seeds = len({row["seed"] for row in rows})
    table = Table(title=f"Test accuracy, {counted(seeds, 'seed')}")
    for name in (*over, "test accuracy", "spread", "pulses sent"):
        table.add_column(name.replace("_", " "), justify="right")
    for values, own in _combinations(rows, over):
        found = _statistics(own)
        mean, sound = found["test_accuracy_mean"], len(own) - found["diverged"]
        table.add_row(
            *map(setting, values.values()),
            "diverged" if mean is None else f"{100 * mean:.1f} %",
            f"± {100 * found['test_accuracy_std']:.1f}" if sound > 1 else "-",
            pulses_sent(found["pulses_mean"], own[0]["rule"]),
        )
    return table


def _figure(path: Path, rows: list[Row], over: Over) -> None:
    """A heat map over the first two names, one for each combination of the others."""
    from matplotlib.figure import Figure

    from analogjax.plotting import plot_heat_map

    x, y = (*over, "dataset")[:2]
    # The means of the table; a heat map leaves None white.
    means = [
        {**own[0], "test_accuracy": _statistics(own)["test_accuracy_mean"]}
        for _, own in _combinations(rows, over)
    ]
    panels = _combinations(means, {name: over[name] for name in list(over)[2:]})
    accuracy = [100 * row["test_accuracy"] for row in means if row["test_accuracy"] is not None]
    columns = min(len(panels), 4)
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(1.5 + 3.6 * columns, 0.6 + 3.2 * lines), layout="constrained")
    all_axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in all_axes[len(panels) :]:
        axes.set_visible(False)
    for axes, (values, own) in zip(all_axes, panels, strict=False):
        limits = (min(accuracy, default=0.0), max(accuracy, default=100.0))
        image = plot_heat_map(axes, own, x, y, "test_accuracy", limits=limits, scale=100)
        title = ", ".join(f"{n.replace('_', ' ')} {setting(v)}" for n, v in values.items())
        axes.set_title(textwrap.fill(title, 32), fontsize="medium")
    figure.colorbar(image, ax=list(all_axes), label="test accuracy (%)")
    figure.savefig(path, dpi=150)
