"""What every reproduction of a published result consists of."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from analogjax.experiments._sweep import Row
from analogjax.experiments._sweep_grid import Cell

Scale = Literal["quick", "paper"]
Values = dict[str, np.ndarray]


class Published(NamedTuple):
    """A published number, in the unit of the table.

    Attributes:
      value: the mean.
      spread: the standard deviation over repeats, or None where none was given.
    """

    value: float
    spread: float | None = None


class Claim(NamedTuple):
    """Something the publication says that the numbers can confirm or contradict.

    Attributes:
      sentence: the claim.
      holds: of the values of each label, ``(seeds,)``, NaN where a training ended without a number.
    """

    sentence: str
    holds: Callable[[Values], bool]

    def verdict(self, values: Values) -> bool | None:
        """Whether the claim holds; None where a line that it speaks of was not run."""
        try:
            return self.holds(values)
        except KeyError:
            return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A published figure or table as a sweep, with what was published beside it.

    Attributes:
      name: on the command line.
      title: of the result page.
      source: publication and place in it.
      about: a paragraph on what is shown, and where the settings depart from the publication.
      cells: the trainings of a scale; every setting that matters is in them.
      make: from the directory of the data to the function of a cell, as for
        :func:`analogjax.experiments.sweep`.
      static: names that are compiled in.
      label: from a row to the line of the table it belongs to; lines are means over seeds.
      value: the output that the table shows.
      unit: of the value in the table: "%" multiplies it by 100.
      published: published numbers by label.
      beside: what these numbers are, the header of their column.
      claims: what is checked.
      draw: draws the figure of the rows.
      duration: about how long each scale takes on two CPU cores, in words.
    """

    name: str
    title: str
    source: str
    about: str
    cells: Callable[[Scale], list[Cell]]
    make: Callable[[Path | None], Callable[..., dict[str, Any]]]
    static: tuple[str, ...]
    label: Callable[[Row], str]
    value: str
    unit: Literal["", "%"] = ""
    published: Mapping[str, Published] = dataclasses.field(default_factory=dict)
    beside: str = "published"
    claims: tuple[Claim, ...] = ()
    draw: Callable[[Any, list[Row]], None]
    duration: Mapping[Scale, str]

    def with_nan(self, rows: list[Row]) -> list[Row]:
        """The rows with NaN for each null among their outputs; None may be a setting."""
        settings = self.cells("quick")[0]
        return [
            {name: value if name in settings else _nan(value) for name, value in row.items()}
            for row in rows
        ]

    def values(self, rows: list[Row]) -> Values:
        """What the table shows, by label, one value a seed."""
        found: dict[str, list[float]] = {}
        for row in self.with_nan(rows):
            found.setdefault(self.label(row), []).append(row[self.value])
        factor = 100.0 if self.unit == "%" else 1.0
        return {label: factor * np.asarray(values) for label, values in found.items()}

    def claims_at(self, scale: Scale) -> list[Claim]:
        """The claims on lines of the table that a scale has."""
        any_values = {self.label(cell): np.ones(2) for cell in self.cells(scale)}
        return [claim for claim in self.claims if claim.verdict(any_values) is not None]


def _nan(value):
    """A value of JSON with NaN for each null in it."""
    if isinstance(value, dict):
        return {name: _nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_nan(item) for item in value]
    return np.nan if value is None else value


def falling(*labels: str) -> Callable[[Values], bool]:
    """Whether the mean falls from each label to the next."""

    def holds(values: Values) -> bool:
        means = [values[label].mean() for label in labels]
        return bool(np.all(np.diff(means) < 0))

    return holds


def rising(*labels: str) -> Callable[[Values], bool]:
    """Whether the mean rises from each label to the next."""
    return falling(*reversed(labels))


def above(some: Collection[str], others: Collection[str]) -> Callable[[Values], bool]:
    """Whether the mean of each of some labels is above that of each of the others."""

    def holds(values: Values) -> bool:
        least = np.min([values[label].mean() for label in some])
        return bool(least > np.max([values[label].mean() for label in others]))

    return holds


def within(labels: Collection[str], most: float) -> Callable[[Values], bool]:
    """Whether the means of the labels differ by at most so much."""

    def holds(values: Values) -> bool:
        return bool(np.ptp([values[label].mean() for label in labels]) <= most)

    return holds


def best_inside(*lines: list[str]) -> Callable[[Values], bool]:
    """Whether on each line of labels neither the first nor the last has the best mean."""

    def holds(values: Values) -> bool:
        means = [[values[label].mean() for label in line] for line in lines]
        return all(bool(np.max(line) > np.max([line[0], line[-1]])) for line in means)

    return holds


def within_points(published: Mapping[str, Published], most: float) -> Callable[[Values], bool]:
    """Whether each published label has a mean within so much of what was published."""

    def holds(values: Values) -> bool:
        return all(
            abs(values[label].mean() - number.value) <= most for label, number in published.items()
        )

    return holds


def near(published: Mapping[str, Published], factor: float) -> Callable[[Values], bool]:
    """Whether the mean of each published label is within a factor of what was published."""

    def holds(values: Values) -> bool:
        means = {label: values[label].mean() for label in published}
        return all(
            number.value / factor <= means[label] <= factor * number.value
            for label, number in published.items()
        )

    return holds
