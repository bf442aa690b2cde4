"""``analogjax cost``: what training would cost on hardware."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import tyro
from flax import linen as nn
from rich.console import Console

from analogjax._version import __version__
from analogjax.cost import (
    Cost,
    Counters,
    Layer,
    Technology,
    layers_of,
    technology_to_json,
    update_cost,
)
from analogjax.experiments._files import check_directory, write_json, write_whole
from analogjax.experiments._hardware import (
    RULES,
    HardwareOptions,
    cost_table,
    counted_title,
    draw_costs,
    hardware_rule,
    run_cost,
)
from analogjax.experiments._models import network_for
from analogjax.experiments._options import DatasetName, TaskOptions
from analogjax.experiments._rules import MULTI_TILE, RuleName, RuleSettings
from analogjax.nn import Mapping

_IMAGES = {
    "digits": (8, 8, 1),
    "mnist": (28, 28, 1),
    "fashion-mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CostOptions:
    """Reckon storage, operations, time, energy and area of training under each rule.

    Attributes:
      dataset: whose network it is: DigitsNet for digits, else LeNet-5.
      rules: the rules.
      num_tiles: numbers of tiles of residual learning, through a buffer or not.
      batch_size: images in a mini-batch.
      array_size: most input and output lines of an array; no limit if not given.
      pulses_per_vector: slots of a pulse train, on average.
      transfer_period: updates of a tile from one read of a line to the next.
      run: instead of all the above, the results of a training or a comparison, with what it has
        counted.
      hardware: what it would run on.
      out: directory of the results: summary.json, technology.json and, of a run, cost.png.
    """

    dataset: DatasetName = "digits"
    rules: tuple[RuleName, ...] = tuple(RULES)
    num_tiles: tuple[int, ...] = (2, 4, 6)
    batch_size: int = 8
    array_size: int | None = None
    pulses_per_vector: float = 5.0
    transfer_period: float = 2.0
    run: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    hardware: Annotated[HardwareOptions, tyro.conf.arg(name="")] = HardwareOptions()  # noqa: RUF009
    out: Path = Path("results/cost")


def cost(options: CostOptions, console: Console) -> None:
    """Reckons the costs, prints their table and writes them.

    Raises:
      ValueError, OSError: with one sentence on what is wrong; then nothing is written.
    """
    check_directory(options.out)
    technology = options.hardware.chosen()
    accuracies: dict[str, list[float]] = {}
    if options.run is None:
        layers = _layers(_model(options), options.dataset)
        title = f"{options.dataset}: a sample, at {options.pulses_per_vector:g} slots a vector pair"
        costs = _assumed(options, layers, technology)
    else:
        title, layers, costs, accuracies = _counted(options, options.run, technology)
    content = {
        "analogjax": __version__,
        "title": title,
        "layers": [dataclasses.asdict(layer) for layer in layers],
        "technology": dataclasses.asdict(technology),
        "costs": {name: each and each.totals() for name, each in costs.items()},
        "test_accuracy": accuracies,
    }
    figure = options.out / "cost.png"
    if accuracies:
        write_whole(figure, lambda path: draw_costs(path, title, costs, accuracies))
    else:
        figure.unlink(missing_ok=True)  # Of an earlier run, beside these numbers.
    write_json(options.out / "summary.json", content)
    text = technology_to_json(technology)
    write_whole(options.out / "technology.json", lambda path: path.write_text(text))
    console.print(cost_table(title, costs, accuracies))
    console.print(f"All numbers and the technology are in {options.out}/", soft_wrap=True)


def _layers(model: nn.Module, dataset: str) -> tuple[Layer, ...]:
    """The layers of a network for a data set, with what an image sends to each."""
    return layers_of(model, jax.ShapeDtypeStruct((1, *_IMAGES[dataset]), jnp.float32))


def _model(options: CostOptions) -> nn.Module:
    size = options.array_size
    if size is None:
        return network_for(options.dataset)
    mapping = Mapping(max_input_size=size, max_output_size=size)
    return network_for(options.dataset, mapping=mapping)


def _assumed(
    options: CostOptions, layers: tuple[Layer, ...], technology: Technology
) -> dict[str, Cost | None]:
    """The cost by the formulas, of every rule that there is on arrays."""
    costs: dict[str, Cost | None] = {}
    for rule in dict.fromkeys(options.rules):
        numbers = options.num_tiles if rule in MULTI_TILE else (1,)
        for tiles in numbers:
            if rule == "buffered-residual-learning" and tiles == 1:
                continue  # It has a tile to read and one to write.
            settings = RuleSettings(rule=rule, num_tiles=tiles).complete()
            formulas = hardware_rule(
                settings,
                batch_size=options.batch_size,
                pulses_per_vector=options.pulses_per_vector,
                transfer_period=options.transfer_period,
            )
            own = None if formulas is None else update_cost(layers, formulas, technology)
            costs[settings.title] = own
    if not any(costs.values()):
        raise ValueError(
            f"No rule of {', '.join(options.rules) or 'none'} on {options.num_tiles} tiles has a "
            f"cost on arrays: choose others, such as residual-learning on 4."
        )
    return costs


def _counted(
    options: CostOptions, directory: Path, technology: Technology
) -> tuple[str, tuple[Layer, ...], dict[str, Cost | None], dict[str, list[float]]]:
    """What to call the trainings in a directory, their layers, costs and accuracies."""
    standard = CostOptions(run=directory, hardware=options.hardware, out=options.out)
    for field in dataclasses.fields(options):
        if getattr(options, field.name) != getattr(standard, field.name):
            raise ValueError(f"--run has its own {field.name}: leave that out.")
    path = directory / "summary.json"
    try:
        content = json.loads(path.read_text())
        task = TaskOptions(**content["task"])
        layers = _layers(task.model(), task.dataset)
        costs, accuracies = {}, {}
        for run in content.get("runs", [content]):
            settings = RuleSettings(**run["settings"])
            counters = {name: Counters(**parts) for name, parts in run["counters"].items()}
            costs[settings.title] = run_cost(
                settings, counters, run["samples"], layers, technology, task.batch_size
            )
            accuracies[settings.title] = run["test_accuracy"]
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is not the summary of a training or a comparison of this version: {error!r}."
        ) from error
    if not any(costs.values()):
        raise ValueError(f"{directory} has no training on arrays; digital SGD needs none.")
    return counted_title(task.dataset, task.states), layers, costs, accuracies
