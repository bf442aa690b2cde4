"""The rows of a sweep in a file, which a stopped sweep goes on from."""

import json
from pathlib import Path
from typing import Any

from analogjax.experiments._files import alone_in, check_directory, write_lines
from analogjax.experiments._sweep_grid import Cell, identity

Rows = dict[tuple, dict[str, Any]]


def read_rows(path: Path, cells: list[Cell]) -> Rows:
    """The rows that a file has of these cells, by their identity.

    Raises:
      ValueError: if the file is not one of rows, has a row of none of the cells, two of one cell,
        or rows with other outputs than the first.
    """
    check_directory(path.parent)
    if not path.exists():
        return {}
    known, rows = {identity(cell) for cell in cells}, {}
    names: set[str] = set()
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(
                f"{path}, line {number} is not a row (was it cut off?): delete that line, and its "
                f"cell runs again, or give another file."
            ) from None
        try:
            own = _cell_of(row, cells)
            names = names or set(row)
            # Two rows of one cell differ in a name that this sweep has not.
            sound = own in known and set(row) == names and own not in rows
        except (TypeError, KeyError):
            sound = False
        if not sound:
            raise ValueError(
                f"{path}, line {number} is not a cell of this sweep: give another file, or delete "
                f"this one."
            )
        rows[own] = row
    return rows


def check_outputs(path: Path, outputs: set[str], cells: list[Cell], rows: Rows) -> None:
    """Raises a ValueError if the rows of a file have other outputs than the function now gives."""
    for row in rows.values():
        found = set(row) - set(cells[0])
        if found != outputs:
            raise ValueError(
                f"The rows of {path} have {sorted(found)}, but the function now gives "
                f"{sorted(outputs)}: give another file, or delete this one."
            )


def write_rows(path: Path, cells: list[Cell], rows: Rows) -> None:
    """Writes the rows there are, in the order of the cells, then those of other processes.

    Two that train different cells into one file would else lose each other's rows.
    """
    own = [rows[identity(cell)] for cell in cells if identity(cell) in rows]
    with alone_in(path.parent):
        there = path.read_text().splitlines() if path.exists() else []
        others = [row for row in map(json.loads, there) if _cell_of(row, cells) not in rows]
        write_lines(path, own + others)


def _cell_of(row: dict[str, Any], cells: list[Cell]) -> tuple:
    """The identity of the cell that a row of a sweep over such cells is of."""
    return identity({name: row[name] for name in cells[0]})
