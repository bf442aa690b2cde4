"""``analogjax train``: one rule, one training."""

import dataclasses
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import jax
import tyro
from rich.console import Console

from analogjax._version import __version__
from analogjax.experiments._data import checksum
from analogjax.experiments._files import check_directory, write_json, write_lines, write_whole
from analogjax.experiments._options import (
    CheckpointOptions,
    GuardOptions,
    MeshOptions,
    TaskOptions,
)
from analogjax.experiments._progress import epoch_progress
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._run import Hooks, RunResult, run
from analogjax.experiments._stop import Stop, never
from analogjax.experiments._used import check_used
from analogjax.experiments._words import counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train a network with one update rule and write what it reached.

    Attributes:
      task: what to train on.
      settings: the rule and its rates.
      factors: simulate the pulses of every sample; without it those of the summed gradient, which
        is faster and flatters the device.
      checkpoints: how the run survives what stops it.
      guards: what it looks out for.
      devices: how many devices share it.
      out: directory of the results: metrics.jsonl, summary.json, accuracy.png.
    """

    task: Annotated[TaskOptions, tyro.conf.arg(name="")] = TaskOptions()  # noqa: RUF009
    settings: Annotated[RuleSettings, tyro.conf.arg(name="")] = RuleSettings()  # noqa: RUF009
    factors: bool = True
    checkpoints: Annotated[CheckpointOptions, tyro.conf.arg(name="")] = CheckpointOptions()  # noqa: RUF009
    guards: Annotated[GuardOptions, tyro.conf.arg(name="")] = GuardOptions()  # noqa: RUF009
    devices: Annotated[MeshOptions, tyro.conf.arg(name="")] = MeshOptions()  # noqa: RUF009
    out: Path = Path("results/train")


def train(options: TrainOptions, console: Console, stop: Stop = never) -> RunResult:
    """Runs one training, with a progress bar, and writes its results.

    Args:
      options: of the command.
      console: for the bar and the outcome.
      stop: whether to end after this epoch.

    Raises:
      ValueError, OSError, FloatingPointError: with one sentence on what is wrong; then nothing but
        checkpoints is written, and the metrics up to the last of them.
      Stopped: where ``stop`` came true, with a checkpoint written.
    """
    task = options.task
    task.check()
    options.checkpoints.check()
    guards = options.guards.chosen()
    mesh = options.devices.mesh()
    devices = {} if mesh is None else {"devices": dict(mesh.shape)}
    check_directory(options.out)
    settings = options.settings.complete(task.dataset)
    check_used(options.settings)
    data, device = task.images(), task.device()
    checkpoints = options.checkpoints.in_directory(
        options.out,
        task=task.record(),
        factors=options.factors,
        rule=dataclasses.asdict(settings),
        data=checksum(data),
        **devices,
    )

    def write_metrics(result: RunResult) -> None:
        write_lines(options.out / "metrics.jsonl", result.rows())

    context = nullcontext() if mesh is None else jax.set_mesh(mesh)
    with context, epoch_progress(console) as start:
        result = run(
            settings,
            task.model(),
            device,
            data,
            epochs=task.epochs,
            batch_size=task.batch_size,
            seeds=(task.seed,),
            factors=options.factors,
            checkpoints=checkpoints,
            resume=options.checkpoints.resume,
            guards=guards,
            hooks=Hooks(
                on_epoch=start(settings.title, task.epochs),
                on_checkpoint=write_metrics,
                on_notice=console.print,
                stop=stop,
            ),
        )
    write_metrics(result)
    summary = {
        "analogjax": __version__,
        "task": task.record(),
        "factors": options.factors,
        **devices,
        **result.summary(),
    }
    write_json(options.out / "summary.json", summary)
    write_whole(options.out / "accuracy.png", lambda path: _figure(path, result))
    options.checkpoints.after_the_end(checkpoints)
    summed = settings.tiles and not options.factors
    note = " (pulses of the summed gradient: not the device's accuracy)" if summed else ""
    console.print(
        f"{result.settings.title}: test accuracy {100 * result.test_accuracy[-1, 0]:.1f} % after "
        f"{counted(task.epochs, 'epoch')}, {result.median_rate():,.0f} samples/s{note}"
    )
    console.print(f"Results are in {options.out}/", soft_wrap=True)
    return result


def _figure(path: Path, result: RunResult) -> None:
    from matplotlib.figure import Figure

    from analogjax.plotting import plot_accuracy

    figure = Figure(figsize=(5.5, 3.8), layout="constrained")
    axes = figure.subplots()
    plot_accuracy(axes, {result.settings.title: result.test_accuracy})
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)
