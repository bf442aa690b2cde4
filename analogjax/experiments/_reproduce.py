"""``analogjax reproduce``: a published figure or table, trained again."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.markdown import Markdown

from analogjax.experiments._files import check_directory, write_json, write_whole
from analogjax.experiments._progress import count_progress
from analogjax.experiments._stop import Stop, never
from analogjax.experiments._sweep import Row, check_at_once, sweep
from analogjax.experiments._sweep_file import read_rows
from analogjax.experiments._sweep_grid import Cell, identity
from analogjax.experiments._versions import versions
from analogjax.experiments._words import counted
from analogjax.experiments.papers import ALL, Reproduction, Scale, page, summary

CELLS = "cells.jsonl"
_LIST = "; ".join(f"{name} ({r.source})" for name, r in ALL.items())


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReproduceOptions:
    """Train a published figure or table again and set it beside the published numbers.

    Attributes:
      name: what to reproduce.
      scale: "quick" shows the same order in minutes on two CPU cores; "paper" has the published
        settings.
      seeds: how many of the scale's seeds to run; all if not given.
      only: lines of the table to run, by any part of their labels, or by a whole label for that
        line alone; all if not given. What was run before stays on the page.
      at_once: trainings in one call; as many as fit the memory if not given.
      data_dir: directory of the data that "paper" needs.
      out: directory of the results, results/reproduce/NAME-SCALE if not given: page.md,
        figure.png, summary.json, cells.jsonl. A run that was stopped goes on from its cells.jsonl.
    """

    name: Annotated[str, tyro.conf.arg(metavar="NAME", help=_LIST), tyro.conf.Positional]
    scale: Scale = "quick"
    seeds: int | None = None
    only: tuple[str, ...] = ()
    at_once: int | None = None
    data_dir: Path | None = None
    out: Path | None = None


def reproduce(options: ReproduceOptions, console: Console, stop: Stop = never) -> list[Row]:
    """Runs a reproduction, with a progress bar, and writes its page, figure and rows.

    Args:
      options: of the command.
      console: for the bar and the table.
      stop: whether to end after the trainings under way.

    Raises:
      ValueError, OSError: with one sentence on what is wrong.
      Stopped: where ``stop`` came true; the same command then goes on.
    """
    if options.name not in ALL:
        raise ValueError(
            f"Nothing to reproduce is named {options.name!r}; choose from {', '.join(ALL)}."
        )
    if options.seeds is not None and options.seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {options.seeds}.")
    check_at_once(options.at_once)
    chosen = ALL[options.name]
    out = options.out or Path("results/reproduce") / f"{options.name}-{options.scale}"
    check_directory(out)
    cells, old = _chosen_cells(options, chosen, out / CELLS)
    new = counted(len(cells) - old, "training")
    console.print(
        f"{chosen.title}\n{chosen.source}\n{new} to run, {old} on file; the whole scale takes "
        f"about {chosen.duration[options.scale]} on two CPU cores.",
        soft_wrap=True,
    )
    train = chosen.make(options.data_dir)
    with count_progress(console, "trainings", len(cells)) as advance:
        rows = sweep(
            train,
            cells,
            static=chosen.static,
            at_once=options.at_once,
            out=out / CELLS,
            on_rows=lambda rows: advance(len(rows), chosen.label(rows[-1])),
            stop=stop,
        )
    content = summary(chosen, options.scale, rows) | versions()
    write_json(out / "summary.json", content)
    write_whole(out / "figure.png", lambda path: _figure(path, chosen, rows))
    text = page(content, "figure.png")
    write_whole(out / "page.md", lambda path: path.write_text(text))
    console.print(Markdown(page(content, None)))
    console.print(f"Page, figure and rows are in {out}/", soft_wrap=True)
    return rows


def _chosen_cells(
    options: ReproduceOptions, reproduction: Reproduction, path: Path
) -> tuple[list[Cell], int]:
    """The cells that the options choose and those that were run before; the number of these."""
    cells = reproduction.cells(options.scale)
    seeds = sorted({cell["seed"] for cell in cells})
    if options.seeds is not None and options.seeds > len(seeds):
        raise ValueError(
            f"This scale has {counted(len(seeds), 'seed')}, got seeds={options.seeds}."
        )
    seeds = seeds[: options.seeds]
    before = read_rows(path, cells)

    labels = list(dict.fromkeys(map(reproduction.label, cells)))
    wanted: set[str] = set()
    for part in options.only or ("",):  # Which is in every label.
        same = [label for label in labels if part.lower() == label.lower()]
        found = same or [label for label in labels if part.lower() in label.lower()]
        if not found:
            raise ValueError(f"No line has {part} in its label; there are {'; '.join(labels)}.")
        wanted.update(found)
    chosen = [
        cell for cell in cells if cell["seed"] in seeds and reproduction.label(cell) in wanted
    ]
    return [cell for cell in cells if cell in chosen or identity(cell) in before], len(before)


def _figure(path: Path, reproduction: Reproduction, rows: list[Row]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    reproduction.draw(figure, reproduction.with_nan(rows))
    figure.savefig(path, dpi=150)
