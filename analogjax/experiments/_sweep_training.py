"""The training of one cell of ``analogjax sweep``, and the cells of what the options say."""

import dataclasses
import itertools
from typing import Any, get_args, get_type_hints

import jax

from analogjax.devices import SoftBounds, check_device
from analogjax.experiments._data import ImageSet
from analogjax.experiments._options import TaskOptions
from analogjax.experiments._rules import RuleSettings, make_optimizer
from analogjax.experiments._sweep_grid import Cell
from analogjax.experiments._training import (
    check_batch_size,
    check_epochs,
    make_training,
    whole_training,
)
from analogjax.experiments._used import check_used

# Numbers of the rule that training can trace; its other settings are compiled in.
RATES = (
    "learning_rate",
    "gamma",
    "transfer_lr",
    "transfer_threshold",
    "chop_prob",
    "digital_learning_rate",
)
TASK = ("dataset", "train_size", "epochs", "batch_size", "states", "weight_scale", "seed")
# Numbers of a device that training does not look at: a tile is never reset in it.
RESETS = ("reset", "reset_dtod", "reset_std")
Over = dict[str, list[Any]]


def parse_over(words: tuple[str, ...], task: TaskOptions) -> Over:
    """The values of each ``name=value,value``.

    Raises:
      ValueError: for a name that is no setting, a value of the wrong type, or a name said twice.
    """
    kinds = _kinds(task)
    over: Over = {}
    for word in words:
        name, equals, values = word.partition("=")
        name = name.replace("-", "_")
        if not equals or not values or name in over:
            raise ValueError(f"--over takes name=value,value once for each name, got {word!r}.")
        if name not in kinds:
            raise ValueError(f"Nothing to sweep is named {name!r}; choose from {', '.join(kinds)}.")
        over[name] = [_value(name, value, kinds[name]) for value in values.split(",")]
        twice = [value for value in over[name] if over[name].count(value) > 1]
        if twice:
            raise ValueError(f"--over has {name}={twice[0]} more than once.")
    return over


def _kinds(task: TaskOptions) -> dict[str, type]:
    """The type of every setting that can be swept."""
    device = dict.fromkeys(_device_numbers(task), float)
    rule = {name: _kind(hint) for name, hint in get_type_hints(RuleSettings).items()}
    return {"states": float, "epochs": int, "batch_size": int, **rule, **device}


def _device_numbers(task: TaskOptions) -> dict[str, float]:
    """The numbers of the device that training looks at."""
    device = vars(task.device())
    return {n: v for n, v in device.items() if type(v) is float and n not in RESETS}


def _kind(hint) -> type:
    plain = [arg for arg in get_args(hint) if isinstance(arg, type) and arg is not type(None)]
    return hint if isinstance(hint, type) else plain[0] if plain else str


def _value(name: str, text: str, kind: type):
    try:
        return kind(text)
    except ValueError:
        wanted = {int: "whole numbers", float: "numbers"}[kind]
        raise ValueError(f"{name} takes {wanted}, got {text!r}.") from None


def sweep_cells(
    task: TaskOptions, settings: RuleSettings, over: Over, seeds: int, data: str
) -> list[Cell]:
    """Every setting of every training, the swept ones with their values, the others alike.

    Args:
      task: what to train on.
      settings: the rule and its rates.
      over: what is swept.
      seeds: trainings of each combination.
      data: what tells the data from others, whose rows are not taken for theirs.

    Raises:
      ValueError: for settings that a rule or a device refuses, or that no rule looks at.
    """
    if "states" in over and "dw_min" in over:
        raise ValueError(
            "states are (w_max - w_min) / dw_min: sweep states or dw_min, not both of them."
        )
    cells = []
    for combination in itertools.product(*over.values()):
        values = dict(zip(over, combination, strict=True))
        rule_names = {field.name for field in dataclasses.fields(RuleSettings)}
        own = {name: value for name, value in values.items() if name in rule_names}
        rule = dataclasses.replace(settings, **own).complete(task.dataset)
        shared = {name: value for name, value in task.record().items() if name in TASK}
        cell = {**shared, "data": data, **vars(rule), **values, **_device_values(task, values)}
        _check(task, cell)
        cells += [{**cell, "seed": task.seed + n} for n in range(seeds)]
    check_used(settings, over)
    _check_devices(task, cells, over)
    return cells


def _device_values(task: TaskOptions, values: Cell) -> Cell:
    """The numbers of the device, and its states, of which dw_min follows unless it is swept."""
    states = values.get("states", task.states)
    base = _device_numbers(dataclasses.replace(task, states=states))
    own = {name: values.get(name, number) for name, number in base.items()}
    size = own["w_max"] - own["w_min"]
    if "dw_min" in values:
        return {**own, "states": size / own["dw_min"] if own["dw_min"] > 0 else states}
    return {**own, "dw_min": size / states, "states": states}


def _check_devices(task: TaskOptions, cells: list[Cell], over: Over) -> None:
    """Raises a ValueError if devices are swept where no rule has any."""
    swept = [name for name in over if name == "states" or name in vars(task.device())]
    if swept and {cell["rule"] for cell in cells} == {"digital-sgd"}:
        raise ValueError(
            f"{swept[0]} changes nothing under digital-sgd, which has no devices: sweep something "
            f"else, such as learning_rate, or choose another rule."
        )


def _check(task: TaskOptions, cell: Cell) -> None:
    """Raises a ValueError for what training would not see once it is traced."""
    check_epochs(cell["epochs"])
    device, settings = _device(task, cell), _settings(cell)
    check_device(device)
    make_optimizer(settings, device, jax.random.key(0), epochs=1, steps_per_epoch=1)


def _settings(cell: Cell) -> RuleSettings:
    return RuleSettings(**{f.name: cell[f.name] for f in dataclasses.fields(RuleSettings)})


def _device(task: TaskOptions, cell: Cell):
    own = {name: cell[name] for name in _device_numbers(task)}
    return dataclasses.replace(task.device(), **own)


def cell_training(task: TaskOptions, data: ImageSet, cells: list[Cell]):
    """The function of a sweep: a whole training, from the settings of its cell.

    Raises:
      ValueError: if a mini-batch of a cell is no number of training images.
    """
    model = task.model()
    for batch_size in {cell["batch_size"] for cell in cells}:
        check_batch_size(batch_size, len(data.train_labels))

    def train(**cell) -> dict[str, jax.Array]:
        def optimizer(key):
            return make_optimizer(
                _settings(cell),
                _device(task, cell),
                key,
                epochs=cell["epochs"],
                steps_per_epoch=len(data.train_labels) // cell["batch_size"],
            )

        training = make_training(model, optimizer, data, batch_size=cell["batch_size"])
        metrics = whole_training(training, jax.random.key(cell["seed"]), cell["epochs"])
        return {n: values[-1] for n, values in metrics._asdict().items() if values is not None}

    return train


def static_settings(cell: Cell, over: Over) -> list[str]:
    """What is compiled in: all but the rates, the seed, and what changes of the device."""
    traced = {*RATES, "states", "seed", *(over.keys() & vars(SoftBounds()).keys())}
    if over.keys() & {"states", "w_max", "w_min"}:
        traced.add("dw_min")  # Which follows from them.
    return [name for name in cell if name not in traced]
