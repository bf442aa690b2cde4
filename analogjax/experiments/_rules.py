"""The update rules by name, with the settings the experiments run them with."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import jax
import optax

from analogjax.devices import Device, check_at_least_0
from analogjax.nn import labels
from analogjax.pulses import PulseScheme
from analogjax.rules import (
    Plateau,
    Source,
    Stages,
    WarmStart,
    agad,
    analog_sgd,
    buffered_residual_learning,
    chopped_tiki_taka,
    mixed_precision,
    residual_learning,
    residual_learning_v2,
    tiki_taka,
    tiki_taka_v2,
)

RuleName = Literal[
    "digital-sgd",
    "analog-sgd",
    "tiki-taka",
    "tiki-taka-v2",
    "chopped-tiki-taka",
    "agad",
    "mixed-precision",
    "residual-learning",
    "residual-learning-v2",
    "buffered-residual-learning",
]
WarmStartName = Literal["stages", "plateau", "none"]
# The rules that take any number of tiles.
MULTI_TILE = ("residual-learning", "buffered-residual-learning")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleSettings:
    """An update rule and its rates, as the experiments use them.

    Attributes:
      rule: name of the rule.
      num_tiles: tiles per weight matrix (residual learning, through a buffer or not).
      learning_rate: weight change per unit of gradient; of the gradient's tile for rules of
        several tiles. The rule's own default if not given, as for gamma, transfer_lr and
        chop_prob.
      gamma: significance of a tile relative to the one before (residual learning, through a
        buffer or not), or share of the fast tile (rules of two tiles).
      transfer_lr: rate of the transfers between tiles.
      chop_prob: how often a line changes its sign, per read of it (chopped Tiki-Taka and AGAD).
      transfer_every: steps between two transfers from the gradient's tile.
      reads_per_transfer: input lines read at each transfer, or a share of them, below 1.
      transfer_threshold: smallest read that is passed on (residual learning).
      warm_start: how the stages of residual learning, through a buffer or not, follow each other:
        of equal length over the whole run, at each plateau of the loss over an epoch (and then the
        chain, without a buffer), or none.
      warm_start_from: which tile each stage reads: the last, the last but one, or the next.
      digital_learning_rate: rate of the parameters that stay digital.
    """

    rule: RuleName = "residual-learning"
    num_tiles: int = 6
    learning_rate: float | None = None
    gamma: float | None = None
    transfer_lr: float | None = None
    chop_prob: float | None = None
    transfer_every: int = 4
    reads_per_transfer: float = 1
    transfer_threshold: float = 0.0
    warm_start: WarmStartName = "stages"
    warm_start_from: Source = "last"
    digital_learning_rate: float = 0.1

    def complete(self, dataset: str = "digits") -> "RuleSettings":
        """The settings with the rule's own rates where none are given.

        The defaults come from a search of equal effort for each rule, on the digits with 4-state
        devices and a validation split of the training images: ``benchmarks/search_rates.py``. At
        the rate found there digital SGD does not train LeNet-5, the network of all other data: it
        has that of the published runs.

        Args:
          dataset: the image set that is trained on.

        Raises:
          ValueError: for an unknown rule.
        """
        if self.rule not in _RATES:
            raise ValueError(f"Unknown rule '{self.rule}'; choose one of {', '.join(_RATES)}.")
        rates = _RATES[self.rule]
        if self.rule == "digital-sgd" and dataset != "digits":
            rates = {"learning_rate": 0.05}
        if self.rule == "residual-learning":
            rates = next(r for most, r in _RESIDUAL_RATES.items() if self.num_tiles <= most)
        missing = {name: v for name, v in rates.items() if getattr(self, name) is None}
        return dataclasses.replace(self, **missing)  # type: ignore[arg-type]

    @property
    def tiles(self) -> int:
        """Tiles per weight matrix under the rule; none under digital SGD."""
        if self.rule in MULTI_TILE:
            return self.num_tiles
        if self.rule in _TWO_TILES:
            return 2
        return 0 if self.rule == "digital-sgd" else 1

    @property
    def title(self) -> str:
        """What a table or a legend calls it."""
        name = self.rule.replace("-", " ").replace("sgd", "SGD").replace("agad", "AGAD")
        name = name.replace("tiki taka", "Tiki-Taka")
        name = name[0].upper() + name[1:]
        if self.rule not in MULTI_TILE:
            return name
        return f"{name}, {self.num_tiles} tile{'s' if self.num_tiles > 1 else ''}"


_RATES: dict[str, dict[str, float]] = {
    "digital-sgd": {"learning_rate": 0.457},
    "analog-sgd": {"learning_rate": 0.000618},
    "tiki-taka": {"learning_rate": 0.355, "gamma": 0.0, "transfer_lr": 0.027},
    "tiki-taka-v2": {"learning_rate": 0.942, "gamma": 0.0, "transfer_lr": 0.17},
    "chopped-tiki-taka": {
        "learning_rate": 0.942,
        "gamma": 0.0,
        "transfer_lr": 0.17,
        "chop_prob": 0.1,
    },
    "agad": {"learning_rate": 0.481, "gamma": 0.0, "transfer_lr": 0.0586, "chop_prob": 0.256},
    "mixed-precision": {"learning_rate": 0.415},
    "residual-learning-v2": {"learning_rate": 0.0522, "gamma": 0.13, "transfer_lr": 0.36},
    "buffered-residual-learning": {"learning_rate": 0.313, "gamma": 0.542, "transfer_lr": 0.438},
    "residual-learning": {},
}
# For up to so many tiles.
_RESIDUAL_RATES: dict[float, dict[str, float]] = {
    2: {"learning_rate": 0.0879, "gamma": 0.159, "transfer_lr": 0.0239},
    4: {"learning_rate": 0.325, "gamma": 0.424, "transfer_lr": 0.0264},
    math.inf: {"learning_rate": 0.72, "gamma": 0.467, "transfer_lr": 0.22},
}


_TWO_TILES: dict[str, Callable] = {
    "tiki-taka": tiki_taka,
    "tiki-taka-v2": tiki_taka_v2,
    "chopped-tiki-taka": chopped_tiki_taka,
    "agad": agad,
    "residual-learning-v2": residual_learning_v2,
}
_CHOPPED = ("chopped-tiki-taka", "agad")


def make_optimizer(
    settings: RuleSettings,
    device: Device,
    key: jax.Array,
    *,
    epochs: int,
    steps_per_epoch: int,
    pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    """The optimizer of a model: the rule for its kernels, plain SGD for everything else.

    Args:
      settings: the rule and its rates.
      device: what the crosspoints are made of.
      key: PRNG key of all crosspoints and pulses.
      epochs: length of the run, over which a warm start of equal stages is spread.
      steps_per_epoch: mini-batches in an epoch.
      pulses: scheme of the gradient; the rule's default if None.

    Raises:
      ValueError: for an unknown rule or settings that the rule refuses.
    """
    settings = settings.complete()
    check_at_least_0("learning_rate", settings.learning_rate)
    if settings.rule == "digital-sgd":
        return optax.with_extra_args_support(optax.sgd(settings.learning_rate))
    check_at_least_0("digital_learning_rate", settings.digital_learning_rate)
    digital = optax.sgd(settings.digital_learning_rate)
    steps = epochs * steps_per_epoch
    rule = _analog_rule(settings, device, steps, steps_per_epoch, {"key": key, "pulses": pulses})
    return optax.partition({"analog": rule, "digital": digital}, labels)


def _analog_rule(settings: RuleSettings, device, steps: int, steps_per_epoch: int, common):
    rate = settings.learning_rate
    transfers: dict[str, Any] = {
        "gamma": settings.gamma,
        "transfer_lr": settings.transfer_lr,
        "transfer_every": settings.transfer_every,
        "reads_per_transfer": settings.reads_per_transfer,
    }
    match settings.rule:
        case "analog-sgd":
            return analog_sgd(rate, device, **common)
        case "mixed-precision":
            return mixed_precision(rate, device, **common)
        case name if name in _TWO_TILES:
            if name in _CHOPPED:
                transfers["chop_prob"] = settings.chop_prob
            return _TWO_TILES[name](rate, device, **common, **transfers)
        case "residual-learning":
            return residual_learning(
                rate,
                device,
                num_tiles=settings.num_tiles,
                **common,
                **transfers,
                transfer_threshold=settings.transfer_threshold,
                warm_start=_warm_start(settings, steps, steps_per_epoch),
                warm_start_from=settings.warm_start_from,
                chain=settings.warm_start != "stages",
            )
        case "buffered-residual-learning":
            return buffered_residual_learning(
                rate,
                device,
                num_tiles=settings.num_tiles,
                **common,
                **transfers,
                warm_start=_warm_start(settings, steps, steps_per_epoch),
            )
    raise AssertionError(settings.rule)


def _warm_start(settings: RuleSettings, steps: int, steps_per_epoch: int) -> WarmStart | None:
    match settings.warm_start:
        case "none":
            return None
        case "plateau":
            return Plateau(window=steps_per_epoch, threshold=1e-4)
        case "stages":
            return Stages(max(steps // max(settings.num_tiles - 1, 1), 1))
    raise ValueError(
        f"Unknown warm start '{settings.warm_start}'; choose one of "
        f"{', '.join(get_args(WarmStartName))}."
    )
