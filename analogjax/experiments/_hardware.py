"""What the rules of the experiments would cost on hardware."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from analogjax.cost import (
    PUBLISHED,
    Agad,
    AnalogSGD,
    BufferedResidualLearning,
    ChoppedTikiTaka,
    Cost,
    Counters,
    Layer,
    MixedPrecision,
    ResidualLearning,
    ResidualLearningV2,
    Technology,
    TikiTaka,
    TikiTakaV2,
    UpdateRule,
    counted_cost,
    technology_from_json,
)
from analogjax.experiments._rules import RuleName, RuleSettings

RULES: dict[RuleName, type[UpdateRule]] = {
    "analog-sgd": AnalogSGD,
    "tiki-taka": TikiTaka,
    "tiki-taka-v2": TikiTakaV2,
    "chopped-tiki-taka": ChoppedTikiTaka,
    "agad": Agad,
    "mixed-precision": MixedPrecision,
    "residual-learning": ResidualLearning,
    "residual-learning-v2": ResidualLearningV2,
    "buffered-residual-learning": BufferedResidualLearning,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class HardwareOptions:
    """The hardware whose cost is reckoned.

    Attributes:
      technology: JSON file of its constants, such as the command "cost" writes; the published ones
        if not given.
      shared_converters: let the tiles of a matrix share converters.
      planar_tiles: lay the tiles of a matrix side by side, not on top of each other.
    """

    technology: Path | None = None
    shared_converters: bool = False
    planar_tiles: bool = False

    def chosen(self) -> Technology:
        """The technology.

        Raises:
          ValueError, OSError: if the file cannot be read, or is not one.
        """
        technology = PUBLISHED
        if self.technology is not None:
            try:
                technology = technology_from_json(self.technology.read_text())
            except ValueError as error:
                raise ValueError(f"{self.technology}: {error}") from error
        return dataclasses.replace(
            technology,
            shared_converters=technology.shared_converters or self.shared_converters,
            stacked_tiles=technology.stacked_tiles and not self.planar_tiles,
        )


def hardware_rule(settings: RuleSettings, **assumed) -> UpdateRule | None:
    """The formulas of a rule, or None of digital SGD, which has no arrays.

    Args:
      settings: the rule of a training, complete.
      **assumed: fields of the formulas that it does not have, such as ``batch_size``; those that
        the rule's formulas have not are left out.
    """
    if settings.rule not in RULES:
        return None
    rule = RULES[settings.rule]
    known = {"gamma": settings.gamma, "num_tiles": settings.num_tiles, **assumed}
    names = {field.name for field in dataclasses.fields(rule)}
    return rule(**{name: value for name, value in known.items() if name in names})


def run_cost(
    settings: RuleSettings,
    counters: Mapping[str, Counters],
    samples: int,
    layers: tuple[Layer, ...],
    technology: Technology,
    batch_size: int,
) -> Cost | None:
    """What an average sample of a training has cost, or None of digital SGD.

    Args:
      settings: the rule of the training.
      counters: what it has counted on its tiles.
      samples: how many it has seen.
      layers: those of its network.
      technology: the hardware.
      batch_size: samples in a mini-batch.

    Raises:
      ValueError: if the counters do not tell the cost.
    """
    rule = hardware_rule(settings, batch_size=batch_size)
    if rule is None:
        return None
    return counted_cost(layers, rule, counters, samples, technology)


def counted_title(dataset: str, states: float) -> str:
    """What a table or a figure of counted costs says over it."""
    return f"{dataset}, {states:g}-state devices: an average sample, as counted"


_COLUMNS = (
    ("storage\nkB", lambda cost: cost.storage_bytes / 1e3),
    ("memory\nkbit", lambda cost: cost.memory_bits / 1e3),
    ("FP ops\nk", lambda cost: cost.fp_ops / 1e3),
    ("update\nns", lambda cost: cost.time_ns),
    ("updates\nnJ", lambda cost: cost.update_energy_nj),
    ("passes\nnJ", lambda cost: cost.pass_energy_nj),
    ("area\nmm2", lambda cost: cost.area_mm2),
)


def cost_table(title: str, costs: dict[str, Cost | None], accuracies: dict) -> Table:
    """The costs of some rules, a line each.

    Args:
      title: of the table.
      costs: by what to call them.
      accuracies: by seed, likewise, if there are any, to be shown beside.
    """
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    table.add_column("rule")
    names = [name for name, _ in _COLUMNS]
    for name in ["test\n%", *names] if accuracies else names:
        table.add_column(name, justify="right", no_wrap=True)
    for name, cost in costs.items():
        cells = ["-" if cost is None else _short(of(cost)) for _, of in _COLUMNS]
        if accuracies:
            cells = [f"{100 * np.mean(accuracies[name]):.1f}", *cells]
        table.add_row(name, *cells)
    return table


def _short(number: float) -> str:
    """Three digits at least, and no more than are needed."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def draw_costs(path: Path, title: str, costs: dict[str, Cost | None], accuracies: dict) -> None:
    """Writes the figure of accuracy against energy and storage.

    Args:
      path: of the figure.
      title: over it.
      costs: by what to call them; those that are None are shown as lines.
      accuracies: at the end, by seed, likewise.
    """
    from matplotlib.figure import Figure

    from analogjax.plotting import plot_accuracy_against_cost

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    known = {name: cost for name, cost in costs.items() if cost}
    energies = {name: cost.energy_nj for name, cost in known.items()}
    plot_accuracy_against_cost(left, energies, accuracies)
    left.set(xlabel="energy of a sample (nJ)")
    storage = {name: cost.storage_bytes / 1e3 for name, cost in known.items()}
    plot_accuracy_against_cost(right, storage, accuracies)
    right.set(xlabel="digital storage (kB)", ylabel="")
    shown = left.get_legend_handles_labels()
    figure.legend(*shown, loc="outside right center", fontsize="small", frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=150)
