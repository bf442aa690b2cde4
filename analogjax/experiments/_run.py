"""Running one training to its end, epoch by epoch, with what it reports."""

import dataclasses
import time
from collections.abc import Callable

import jax
import numpy as np
from flax import linen as nn

from analogjax.devices import Device
from analogjax.experiments._data import ImageSet
from analogjax.experiments._rules import RuleSettings, make_optimizer
from analogjax.experiments._training import EpochMetrics, make_training, over_seeds


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
    """

    settings: RuleSettings
    seeds: tuple[int, ...]
    train_loss: np.ndarray
    test_accuracy: np.ndarray
    pulses: np.ndarray
    seconds: np.ndarray
    compile_seconds: float
    samples_per_epoch: int

    def rows(self) -> list[dict]:
        """One object an epoch and seed, as ``metrics.jsonl`` holds them."""
        rate = self.samples_per_epoch * len(self.seeds) / self.seconds
        return [
            {
                "run": self.settings.title,
                "rule": self.settings.rule,
                "num_tiles": _num_tiles(self.settings),
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
            "compile_seconds": round(self.compile_seconds, 2),
            "train_seconds": round(float(self.seconds.sum()), 2),
            "samples_per_second": round(self.median_rate(), 1),
        }

    def median_rate(self) -> float:
        """Training images per second, all seeds together, of the median epoch."""
        return self.samples_per_epoch * len(self.seeds) / float(np.median(self.seconds))


def _num_tiles(settings: RuleSettings) -> int:
    tiles = {"digital-sgd": 0, "tiki-taka": 2, "residual-learning": settings.num_tiles}
    return tiles.get(settings.rule, 1)


def run(
    settings: RuleSettings,
    model: nn.Module,
    device: Device,
    data: ImageSet,
    *,
    epochs: int,
    batch_size: int,
    seeds: tuple[int, ...],
    factors: bool = True,
    on_epoch: Callable[[int, EpochMetrics], None] = lambda epoch, metrics: None,
) -> RunResult:
    """Trains ``model`` with one rule, all seeds at once.

    Args:
      settings: the rule and its rates.
      model: a linen model of layers of :mod:`analogjax.nn.linen`.
      device: what the crosspoints are made of.
      data: the images.
      epochs: passes over the training images, at least 1.
      batch_size: images in a mini-batch.
      seeds: one training each; weights, devices, sample order and pulses all follow from it.
      factors: simulate the pulses of every sample rather than of the summed gradient.
      on_epoch: called after each epoch with its number and metrics, to show progress.

    Returns:
      What was measured.

    Raises:
      ValueError: for bad settings, before anything runs.
      FloatingPointError: as soon as the loss of an epoch is not finite.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}.")
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32:
        raise ValueError(
            f"seeds must hold at least one seed, whole and in [0, 2**32); got {seeds}."
        )
    settings = settings.complete()
    steps = len(data.train_labels) // max(batch_size, 1)

    def optimizer(key):
        return make_optimizer(settings, device, key, epochs=epochs, steps_per_epoch=steps)

    training = make_training(model, optimizer, data, batch_size=batch_size, factors=factors)
    start = time.perf_counter()
    keys = jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))
    if len(seeds) > 1:
        training = over_seeds(training)
    else:
        keys = keys[0]
    state = training.init(keys)  # Not jitted: compiled for a single call, it would take longer.
    epoch_fn = jax.jit(training.epoch, donate_argnums=0).lower(state).compile()
    compile_seconds = time.perf_counter() - start
    metrics, seconds = [], []
    for epoch in range(epochs):
        start = time.perf_counter()
        state, report = epoch_fn(state)
        report = jax.tree.map(lambda a: np.atleast_1d(np.asarray(a)), report)
        seconds.append(time.perf_counter() - start)
        _check_loss(settings, epoch, report.train_loss)
        metrics.append(report)
        on_epoch(epoch, report)
    return RunResult(
        settings=settings,
        seeds=seeds,
        train_loss=np.stack([report.train_loss for report in metrics]),
        test_accuracy=np.stack([report.test_accuracy for report in metrics]),
        pulses=np.stack([report.pulses for report in metrics]),
        seconds=np.asarray(seconds),
        compile_seconds=compile_seconds,
        samples_per_epoch=training.steps_per_epoch * batch_size,
    )


def _check_loss(settings: RuleSettings, epoch: int, loss: np.ndarray) -> None:
    if not np.all(np.isfinite(loss)):
        raise FloatingPointError(
            f"The training loss of '{settings.title}' became {loss[~np.isfinite(loss)][0]} in "
            f"epoch {epoch + 1}: lower its learning rate (now {settings.learning_rate}) or the "
            f"digital one (now {settings.digital_learning_rate})."
        )
