"""Measured pulse responses from a CSV file."""

import csv
import math
from pathlib import Path

import numpy as np

_HEADER = "a header with the columns pulse and conductance, and optionally device"


def read_curves(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads pulses and conductances of one or several crosspoints.

    The columns are ``pulse`` (-1, 0, +1), ``conductance`` after it and, optionally, ``device``, the
    name of the crosspoint. The first row of each crosspoint has pulse 0 and the conductance to
    start from; all crosspoints have the same train of pulses.

    Returns:
      Pulses ``(n,)`` and conductances ``(crosspoints, n + 1)``.

    Raises:
      ValueError: with one sentence that names the file and the line.
    """
    if not path.is_file():
        raise ValueError(f"{path} is not a file; give a CSV file with {_HEADER}.")
    trains: dict[str, list[tuple[int, float]]] = {}
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        reader = csv.reader(lines)
        try:
            columns = [name.strip().lower() for name in next(reader, [])]
            if not {"pulse", "conductance"} <= set(columns):
                raise ValueError(f"{path}, line 1: got {','.join(columns)!r} instead of {_HEADER}.")
            for row in reader:
                if any(cell.strip() for cell in row):
                    place = f"{path}, line {reader.line_num}"
                    name, pulse, conductance = _read_row(place, columns, row)
                    if name not in trains and pulse != 0:
                        raise ValueError(
                            f"{place}: the first row of a crosspoint has pulse 0 and the "
                            f"conductance to start from, got pulse {pulse:+d}."
                        )
                    trains.setdefault(name, []).append((pulse, conductance))
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: not CSV ({error}).") from error
    return _stack(path, trains)


def _read_row(place: str, columns: list[str], row: list[str]) -> tuple[str, int, float]:
    if len(row) != len(columns):
        raise ValueError(f"{place}: got {len(row)} values for {len(columns)} columns.")
    cells = dict(zip(columns, (cell.strip() for cell in row), strict=True))
    pulse, conductance = (_number(place, name, cells[name]) for name in ("pulse", "conductance"))
    if pulse not in (-1, 0, 1):
        raise ValueError(
            f"{place}: pulse must be -1 (down), 0 (none) or 1 (up), got {cells['pulse']}."
        )
    return cells.get("device", ""), int(pulse), conductance


def _number(place: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{place}: {name} must be a number, got {text!r}.")
    return value


def _stack(path: Path, trains: dict[str, list[tuple[int, float]]]) -> tuple[np.ndarray, np.ndarray]:
    if not trains or any(len(points) < 2 for points in trains.values()):
        raise ValueError(f"{path}: a crosspoint needs a row to start from and one for each pulse.")
    (first, points), *others = trains.items()
    pulses = [pulse for pulse, _ in points]
    for name, other in others:
        if [pulse for pulse, _ in other] != pulses:
            raise ValueError(
                f"{path}: device {name!r} has other pulses than device {first!r}; put crosspoints "
                "with other pulses into a file of their own."
            )
    conductances = [[conductance for _, conductance in points] for points in trains.values()]
    return np.array(pulses[1:]), np.array(conductances)
