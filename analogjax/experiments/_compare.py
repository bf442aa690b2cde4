"""``analogjax compare``: the same network on the same devices under several rules."""

import dataclasses
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from flax import linen as nn
from rich.console import Console
from rich.table import Table

from analogjax.cost import Cost, Technology, layers_of
from analogjax.experiments._data import ImageSet, checksum
from analogjax.experiments._files import check_directory, write_json, write_lines, write_whole
from analogjax.experiments._hardware import (
    HardwareOptions,
    counted_title,
    draw_costs,
    run_cost,
)
from analogjax.experiments._options import (
    CheckpointOptions,
    GuardOptions,
    TaskOptions,
)
from analogjax.experiments._progress import epoch_progress
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._run import Hooks, RunResult, run
from analogjax.experiments._side_by_side import side_by_side
from analogjax.experiments._stop import Stop, Stopped, never
from analogjax.experiments._training import EpochMetrics
from analogjax.experiments._versions import versions
from analogjax.experiments._words import counted, pulses_sent


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Train the same network on the same devices under digital SGD and several analog rules.

    These are analog SGD, Tiki-Taka, mixed precision, and residual learning, also through a buffer.

    Attributes:
      task: what to train on.
      num_tiles: numbers of tiles to compare under residual learning; through a buffer, which is not
        published, the largest of them.
      seeds: trainings of each rule, with seeds ``seed``, ``seed + 1``, ...
      checkpoints: how the run survives what stops it.
      guards: what it looks out for.
      cost: reckon what a sample costs on hardware, from what each training has counted, and draw
        accuracy against it in cost.png.
      hardware: what it would run on.
      out: directory of the results: metrics.jsonl, summary.json, compare.png.
    """

    task: Annotated[TaskOptions, tyro.conf.arg(name="")] = TaskOptions()  # noqa: RUF009
    num_tiles: tuple[int, ...] = (2, 4, 6)
    seeds: int = 3
    checkpoints: Annotated[CheckpointOptions, tyro.conf.arg(name="")] = CheckpointOptions()  # noqa: RUF009
    guards: Annotated[GuardOptions, tyro.conf.arg(name="")] = GuardOptions()  # noqa: RUF009
    cost: bool = False
    hardware: Annotated[HardwareOptions, tyro.conf.arg(name="")] = HardwareOptions()  # noqa: RUF009
    out: Path = Path("results/compare")


def contestants(num_tiles: tuple[int, ...]) -> list[RuleSettings]:
    """The rules of the comparison, each at its own default rates."""
    return [
        RuleSettings(rule="digital-sgd"),
        RuleSettings(rule="analog-sgd"),
        RuleSettings(rule="tiki-taka"),
        RuleSettings(rule="mixed-precision"),
        *(RuleSettings(rule="residual-learning", num_tiles=n) for n in dict.fromkeys(num_tiles)),
        RuleSettings(rule="buffered-residual-learning", num_tiles=max((2, *num_tiles))),
    ]


def compare(options: CompareOptions, console: Console, stop: Stop = never) -> list[RunResult]:
    """Runs the comparison, with progress bars, and writes its table, figure and metrics.

    Args:
      options: of the command.
      console: for the bars and the table.
      stop: whether to end after the epochs under way.

    Raises:
      ValueError, OSError, FloatingPointError: with one sentence on what is wrong; then nothing but
        checkpoints is written.
      Stopped: where ``stop`` came true, with checkpoints written.
    """
    task = options.task
    task.check()
    if options.seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {options.seeds}.")
    if any(tiles < 1 for tiles in options.num_tiles):
        raise ValueError(f"num_tiles must be at least 1 each, got {options.num_tiles}.")
    options.checkpoints.check()
    guards = options.guards.chosen()
    if not options.cost and options.hardware != HardwareOptions():
        raise ValueError("The options of the hardware need --cost.")
    technology = options.hardware.chosen()
    check_directory(options.out)
    seeds = tuple(range(task.seed, task.seed + options.seeds))
    start_time = time.perf_counter()
    data, model, device = task.images(), task.model(), task.device()
    shared = {"task": task.record(), "seeds": seeds, "data": checksum(data)}
    all_checkpoints = options.checkpoints.in_directory(options.out, **shared)
    rules = [settings.complete(task.dataset) for settings in contestants(options.num_tiles)]
    parts = {r.title: all_checkpoints.of_part(r.title, dataclasses.asdict(r)) for r in rules}
    if not options.checkpoints.resume:
        for part in parts.values():
            part.check_none()
    with epoch_progress(console) as start:

        def one(settings: RuleSettings, failed: threading.Event) -> RunResult:
            show = start(settings.title, task.epochs)

            def on_epoch(epoch: int, metrics: EpochMetrics) -> None:
                if failed.is_set():
                    raise CancelledError
                show(epoch, metrics)

            return run(
                settings,
                model,
                device,
                data,
                epochs=task.epochs,
                batch_size=task.batch_size,
                seeds=seeds,
                checkpoints=parts[settings.title],
                resume=options.checkpoints.resume,
                guards=guards,
                hooks=Hooks(on_epoch=on_epoch, on_notice=console.print, stop=stop),
            )

        try:
            results = side_by_side(one, rules)
        except Stopped as stopped:
            # Of this one perhaps nothing, but of others.
            stopped.kept = any(part.newest() is not None for part in parts.values())
            raise
    write_lines(options.out / "metrics.jsonl", [row for r in results for row in r.rows()])
    content = {
        **versions(),
        "task": task.record(),
        "device": {k: float(v) for k, v in vars(device).items()},
        "seconds": round(time.perf_counter() - start_time, 1),
        "runs": [result.summary() for result in results],
    }
    costs = _costs(task, technology, model, data, results) if options.cost else {}
    if options.cost:
        content["technology"] = dataclasses.asdict(technology)
        content["costs"] = {name: cost and cost.totals() for name, cost in costs.items()}
        title = counted_title(task.dataset, task.states)
        ends = {r.settings.title: r.test_accuracy[-1] for r in results}
        write_whole(options.out / "cost.png", lambda path: draw_costs(path, title, costs, ends))
    write_json(options.out / "summary.json", content)
    write_whole(options.out / "compare.png", lambda path: _figure(path, task, results))
    options.checkpoints.after_the_end(all_checkpoints)
    console.print(_table(task, results, costs))
    console.print(
        f"{content['seconds']} s in all. Figure, metrics and settings are in {options.out}/",
        soft_wrap=True,
    )
    return results


def _costs(
    task: TaskOptions,
    technology: Technology,
    model: nn.Module,
    data: ImageSet,
    results: list[RunResult],
) -> dict[str, Cost | None]:
    """What a sample of each training has cost, by its title."""
    layers = layers_of(model, data.train_images[:1])
    return {
        r.settings.title: run_cost(
            r.settings, r.counters, r.samples, layers, technology, task.batch_size
        )
        for r in results
    }


def _table(task: TaskOptions, results: list[RunResult], costs: dict[str, Cost | None]) -> Table:
    seeds = len(results[0].seeds)
    table = Table(
        title=f"{task.dataset}: {task.states:g}-state devices, {counted(task.epochs, 'epoch')}, "
        f"{counted(seeds, 'seed')}"
    )
    table.add_column("rule")
    names = ["test accuracy", "spread", "pulses sent", "seconds"]
    if costs:
        names += ["nJ a sample", "ns an update"]
    for name in names:
        table.add_column(name, justify="right")
    for result in results:
        accuracy = 100 * result.test_accuracy[-1]
        spread = f"± {accuracy.std(ddof=1):.1f}" if seeds > 1 else "-"
        pulses = result.pulses[-1].mean()
        cost = costs.get(result.settings.title)
        reckoned = [f"{cost.energy_nj:,.1f}", f"{cost.time_ns:,.1f}"] if cost else ["-", "-"]
        table.add_row(
            result.settings.title,
            f"{accuracy.mean():.1f} %",
            spread,
            pulses_sent(pulses, result.settings.rule),
            f"{result.compile_seconds + result.seconds.sum():.1f}",
            *(reckoned if costs else []),
        )
    return table


def _figure(path: Path, task: TaskOptions, results: list[RunResult]) -> None:
    from matplotlib.figure import Figure

    from analogjax.plotting import plot_accuracy, plot_pulse_response

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.45))
    plot_pulse_response(left, task.device())
    left.set_title(f"Soft bounds, {task.states:g} states, all variation on")
    plot_accuracy(right, {r.settings.title: np.asarray(r.test_accuracy) for r in results})
    seeds = counted(len(results[0].seeds), "seed")
    right.set_title(f"Training on {task.dataset}: mean and range of {seeds}")
    right.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize="small", frameon=False)
    figure.savefig(path, dpi=150)
