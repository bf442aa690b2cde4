"""What a training of several seeds has measured."""

import dataclasses
from typing import Any

import numpy as np

from analogjax.cost import Counters
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._training import EpochMetrics

METRICS = ("train_loss", "test_accuracy", "test_loss", "pulses")
Record = dict[str, Any]


def record_of(report: EpochMetrics, seconds: float, warnings: dict[str, str]) -> Record:
    """What is kept of an epoch, as JSON holds it: each metric as a list over the seeds.

    Args:
      report: what the epoch reported, arrays of NumPy.
      seconds: how long it took.
      warnings: those it gave reason for, by their kind.
    """
    metrics = {name: getattr(report, name).tolist() for name in METRICS}
    return metrics | {"seconds": seconds, "warnings": warnings}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a training of several seeds has measured; arrays are ``(epochs, seeds)``.

    Attributes:
      settings: the rule and its rates.
      seeds: the seeds.
      train_loss: mean training loss of each epoch.
      test_accuracy: share of the test images classified correctly after each epoch.
      pulses: pulses sent to all tiles since the start.
      seconds: time each epoch took, for all seeds together, ``(epochs,)``.
      compile_seconds: time it took to compile, the start of the run included.
      samples_per_epoch: training images of one seed in an epoch.
      warnings: what the guards noticed.
      counters: what was counted on the tiles of each matrix until the end, the mean over the seeds.
    """

    settings: RuleSettings
    seeds: tuple[int, ...]
    train_loss: np.ndarray
    test_accuracy: np.ndarray
    pulses: np.ndarray
    seconds: np.ndarray
    compile_seconds: float
    samples_per_epoch: int
    warnings: tuple[str, ...] = ()
    counters: dict[str, Counters] = dataclasses.field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Training images of one seed in all epochs."""
        return self.samples_per_epoch * len(self.seconds)

    @classmethod
    def of_records(
        cls,
        settings: RuleSettings,
        seeds: tuple[int, ...],
        records: list[Record],
        compile_seconds: float,
        samples_per_epoch: int,
    ) -> "RunResult":
        """The result of the epochs there are records of."""
        shown = ("train_loss", "test_accuracy", "pulses")
        arrays = {n: np.array([record[n] for record in records], np.float32) for n in shown}
        return cls(
            settings=settings,
            seeds=seeds,
            seconds=np.array([record["seconds"] for record in records]),
            compile_seconds=compile_seconds,
            samples_per_epoch=samples_per_epoch,
            warnings=tuple(text for record in records for text in record["warnings"].values()),
            **arrays,  # type: ignore[arg-type]
        )

    def rows(self) -> list[dict]:
        """One object an epoch and seed, as ``metrics.jsonl`` holds them."""
        rate = self.samples_per_epoch * len(self.seeds) / self.seconds
        return [
            {
                "run": self.settings.title,
                "rule": self.settings.rule,
                "num_tiles": self.settings.tiles,
                "seed": seed,
                "epoch": epoch + 1,
                "train_loss": float(self.train_loss[epoch, i]),
                "test_accuracy": float(self.test_accuracy[epoch, i]),
                "pulses": int(self.pulses[epoch, i]),
                "samples_per_second": round(float(rate[epoch]), 1),
            }
            for i, seed in enumerate(self.seeds)
            for epoch in range(len(self.seconds))
        ]

    def summary(self) -> dict:
        """The end of the run, its settings and its cost in time."""
        final = self.test_accuracy[-1]
        return {
            "run": self.settings.title,
            "settings": dataclasses.asdict(self.settings),
            "seeds": list(self.seeds),
            "test_accuracy_mean": float(final.mean()),
            "test_accuracy_std": float(final.std(ddof=1)) if len(final) > 1 else 0.0,
            "test_accuracy": [float(a) for a in final],
            "pulses_mean": float(self.pulses[-1].mean()),
            "samples": self.samples,
            "counters": {
                name: {field: part.tolist() for field, part in own._asdict().items()}
                for name, own in self.counters.items()
            },
            "compile_seconds": round(self.compile_seconds, 2),
            "train_seconds": round(float(self.seconds.sum()), 2),
            "samples_per_second": round(self.median_rate(), 1),
            "warnings": list(self.warnings),
        }

    def median_rate(self) -> float:
        """Training images per second, all seeds together, of the median epoch."""
        return self.samples_per_epoch * len(self.seeds) / float(np.median(self.seconds))
