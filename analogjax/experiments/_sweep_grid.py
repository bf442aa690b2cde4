"""The cells of a sweep, and which of them are compiled together."""

import itertools
import numbers
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Cell = dict[str, Any]
Grid = Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]]


def cells_of(grid: Grid) -> list[Cell]:
    """The cells of a grid, each a dictionary of plain Python values, the last name fastest.

    Raises:
      ValueError: for no cells, equal cells, cells of different names, or a value that is no
        number, word, bool or None.
    """
    if isinstance(grid, Mapping):
        lists = [[values] if isinstance(values, str) else list(values) for values in grid.values()]
        cells = [dict(zip(grid, values, strict=True)) for values in itertools.product(*lists)]
    else:
        cells = [dict(cell) for cell in grid]
    if not cells or not cells[0]:
        raise ValueError(f"The grid {grid!r} has no cells: give each name at least one value.")
    cells = [{name: _plain(name, value) for name, value in cell.items()} for cell in cells]
    for cell in cells:
        if cell.keys() != cells[0].keys():
            raise ValueError(
                f"All cells must have the same names, got {sorted(cells[0])} and {sorted(cell)}."
            )
    seen = set()
    for cell in cells:
        if identity(cell) in seen:
            raise ValueError(f"The grid has the cell {cell} twice.")
        seen.add(identity(cell))
    return cells


def identity(cell: Cell) -> tuple:
    """What makes a cell the same as another one: its values, 1 and 1.0 and True being three."""
    return tuple(sorted((name, type(value).__name__, value) for name, value in cell.items()))


def static_names(cells: list[Cell], static: Collection[str]) -> list[str]:
    """The names whose values are compiled in: those said, and those with a value no number.

    Raises:
      ValueError: if a name that was said is none of the grid's.
    """
    unknown = [name for name in static if name not in cells[0]]
    if unknown:
        raise ValueError(f"static names {unknown[0]!r}, but the grid has {', '.join(cells[0])}.")
    return [
        name
        for name in cells[0]
        if name in static or not all(_is_number(cell[name]) for cell in cells)
    ]


def groups(cells: list[Cell], static: Collection[str]) -> list[tuple[Cell, list[Cell]]]:
    """The cells of each combination of static values, with these values."""
    found: dict[tuple, tuple[Cell, list[Cell]]] = {}
    for cell in cells:
        values = {name: cell[name] for name in static}
        found.setdefault(identity(values), (values, []))[1].append(cell)
    return list(found.values())


def columns(cells: list[Cell], static: Collection[str]) -> dict[str, np.ndarray]:
    """The values that are traced, an array a name, whole numbers as int32, others as float32.

    Raises:
      ValueError: for a whole number that int32 does not hold.
    """
    arrays = {}
    for name in cells[0]:
        if name not in static:
            values = np.asarray([cell[name] for cell in cells])
            whole = values.dtype.kind == "i"
            if values.dtype.kind not in "if" or (whole and np.abs(values).max() >= 2**31):
                raise ValueError(f"{name} must be below 2**31, got {values.max()}.")
            arrays[name] = values.astype(np.int32 if whole else np.float32)
    return arrays


def _plain(name: str, value) -> Any:
    if isinstance(value, np.generic) or (hasattr(value, "shape") and value.shape == ()):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(
        f"The values of {name!r} must be numbers, words, bools or None, got a "
        f"{type(value).__name__}: give it a name and look it up in the function."
    )


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
