"""Progress bars: the epochs of several trainings, or a number of trainings."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from analogjax.experiments._training import EpochMetrics

OnEpoch = Callable[[int, EpochMetrics], None]


@contextlib.contextmanager
def epoch_progress(console: Console) -> Iterator[Callable[[str, int], OnEpoch]]:
    """Shows a bar a training; gives a function that starts the bar of the next one."""
    with _progress(console) as progress:

        def start(title: str, epochs: int) -> OnEpoch:
            bar = progress.add_task(f"{title:28s}", total=epochs, report="compiling ...")

            def on_epoch(epoch: int, metrics: EpochMetrics) -> None:
                accuracy = 100 * metrics.test_accuracy.mean()
                report = f"accuracy {accuracy:5.1f} %"
                progress.update(bar, completed=epoch + 1, report=report)
                _log(console, f"{title}: epoch {epoch + 1}/{epochs}, {report}")

            return on_epoch

        yield start


@contextlib.contextmanager
def count_progress(
    console: Console, title: str, total: int
) -> Iterator[Callable[[int, str], None]]:
    """Shows one bar; gives a function that moves it on by some, with a word on them."""
    with _progress(console) as progress:
        bar = progress.add_task(title, total=total, report="compiling ...")

        def advance(count: int, report: str) -> None:
            progress.update(bar, advance=count, report=report)
            _log(console, f"{title}: {round(progress.tasks[bar].completed)}/{total}, {report}")

        yield advance


def _log(console: Console, line: str) -> None:
    """Prints a line in a file or a pipe, where bars are drawn at their end alone."""
    if not console.is_terminal:
        console.print(line, soft_wrap=True)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[report]}"),
        TimeElapsedColumn(),
        console=console,
    )
