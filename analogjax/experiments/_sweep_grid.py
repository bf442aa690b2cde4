"""The cells of a sweep, and which of them are compiled together."""

import itertools
import math
import numbers
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Cell = dict[str, Any]
Kind = type[np.int32] | type[np.float32]
Grid = Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]]


def cells_of(grid: Grid) -> list[Cell]:
    """The cells of a grid, each a dictionary of plain Python values, the last name fastest.

    Raises:
      ValueError: for no cells, equal cells, cells of different names, or a value that is no finite
        number that float32 or int32 holds, word, bool or None.
    """
    if isinstance(grid, Mapping):
        lists = [list(values) if _is_several(values) else [values] for values in grid.values()]
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


def kinds(cells: list[Cell], static: Collection[str]) -> dict[str, Kind]:
    """The type of the values that are traced: int32 where all of a name are whole, else float32.

    Raises:
      ValueError: for a number that its type does not hold.
    """
    found: dict[str, Kind] = {}
    for name in (name for name in cells[0] if name not in static):
        values = [cell[name] for cell in cells]
        kind: Kind = np.int32 if all(isinstance(value, int) for value in values) else np.float32
        for value in values:
            if not _holds(kind, value):
                raise ValueError(f"{name} must be a number of {kind.__name__}, got {value}.")
        found[name] = kind
    return found


def as_traced(cells: list[Cell], types: dict[str, Kind]) -> list[Cell]:
    """The cells with every value that is traced as a float written as one.

    So 1 beside 0.5 is 1.0, and no row of a sweep that had whole numbers alone, and traced those as
    integers, is taken for its.
    """
    return [
        {name: float(v) if types.get(name) is np.float32 else v for name, v in cell.items()}
        for cell in cells
    ]


def columns(cells: list[Cell], types: dict[str, Kind]) -> dict[str, np.ndarray]:
    """The values that are traced, an array a name."""
    return {name: np.asarray([cell[name] for cell in cells], kind) for name, kind in types.items()}


def _holds(kind: Kind, value: float) -> bool:
    if kind is np.int32:
        return abs(value) < 2**31
    size = abs(value)
    largest = 2**24 if isinstance(value, int) else np.finfo(np.float32).max
    return bool(size <= largest and (size == 0 or size >= np.finfo(np.float32).tiny))


def _is_several(values: Any) -> bool:
    some = isinstance(values, Iterable) and not isinstance(values, str)
    return some and getattr(values, "ndim", 1) > 0


def _plain(name: str, value) -> Any:
    if isinstance(value, np.generic) or (hasattr(value, "shape") and value.shape == ()):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"The values of {name!r} must be finite, got {value}.")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(
        f"The values of {name!r} must be numbers, words, bools or None, got a "
        f"{type(value).__name__}: give it a name and look it up in the function."
    )


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
