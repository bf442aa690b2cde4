"""Running one training to its end, epoch by epoch, with what it reports."""

import dataclasses
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from analogjax.cost import Counters, counters_of
from analogjax.devices import Device
from analogjax.experiments._checkpoint import Checkpoints, Restored
from analogjax.experiments._data import ImageSet
from analogjax.experiments._finite import describe, part_names
from analogjax.experiments._mesh import put_shared
from analogjax.experiments._rules import RuleSettings, make_optimizer
from analogjax.experiments._run_result import METRICS, Record, RunResult, record_of
from analogjax.experiments._stop import Stop, Stopped, never
from analogjax.experiments._training import (
    EpochMetrics,
    RunState,
    Training,
    batch_axes,
    check_epochs,
    make_training,
    over_seeds,
)
from analogjax.experiments._watch import GUARDS, Guards, watcher


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hooks:
    """What a run calls, and asks, between two epochs.

    Attributes:
      on_epoch: called with the number of each epoch and its metrics, to show progress.
      on_checkpoint: called with what was measured so far after each checkpoint.
      on_notice: called with a sentence that the user should see.
      stop: whether the run is to end after this epoch.
    """

    on_epoch: Callable[[int, EpochMetrics], None] = lambda epoch, metrics: None
    on_checkpoint: Callable[[RunResult], None] = lambda result: None
    on_notice: Callable[[str], None] = lambda notice: None
    stop: Stop = never


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
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    guards: Guards | None = GUARDS,
    hooks: Hooks = Hooks(),
) -> RunResult:
    """Trains ``model`` with one rule, all seeds at once.

    A run is a pure function of its settings and seeds: stopped after any epoch and resumed from its
    checkpoint, it gives the same metrics and conductances to the bit, on one kind of device. Within
    a mesh set by ``jax.set_mesh`` its devices share the work, see :func:`make_training`.

    Args:
      settings: the rule and its rates.
      model: a linen model of layers of :mod:`analogjax.nn.linen`.
      device: what the crosspoints are made of.
      data: the images.
      epochs: passes over the training images, at least 1.
      batch_size: images in a mini-batch.
      seeds: one training each; weights, devices, sample order and pulses all follow from it.
      factors: simulate the pulses of every sample rather than of the summed gradient.
      checkpoints: where its checkpoints are written, and how often.
      resume: go on from the newest of them, if there is one.
      guards: when to warn of what a training silently suffers from, and whether to look in every
        step for numbers that are not finite; None to do neither.
      hooks: what is called between two epochs.

    Returns:
      What was measured, before and after a resume.

    Raises:
      ValueError: for bad settings, before anything runs; for checkpoints of another run, and where
        there are any but ``resume`` is not asked for.
      FloatingPointError: after the first epoch with a number that is not finite.
      OSError: if a checkpoint cannot be written.
      Stopped: after the epoch in which ``hooks.stop`` came true, its checkpoint written.
    """
    _check_length(epochs, seeds)
    settings = settings.complete()
    _check_stop(settings, hooks, checkpoints)
    steps = len(data.train_labels) // max(batch_size, 1)

    def optimizer(key):
        return make_optimizer(settings, device, key, epochs=epochs, steps_per_epoch=steps)

    look = guards is not None
    training = make_training(
        model, optimizer, data, batch_size=batch_size, factors=factors, find_broken=look
    )
    training, keys, axes = _of_seeds(training, seeds)
    restored = _restored(checkpoints, resume, training, keys, hooks)
    records = list(restored.rows) if restored else []
    start = time.perf_counter()
    # Not jitted: compiled for a single call, it would take longer.
    state = put_shared(restored.state if restored else training.init(keys))
    if len(records) < epochs:
        epoch_fn = jax.jit(training.epoch, donate_argnums=0).lower(state).compile()
    compile_seconds = time.perf_counter() - start
    _check_stop(settings, hooks, checkpoints)
    watch = watcher(device, axes)

    def result() -> RunResult:
        per_epoch = training.steps_per_epoch * batch_size
        return RunResult.of_records(settings, seeds, records, compile_seconds, per_epoch)

    for epoch in range(len(records), epochs):
        start = time.perf_counter()
        state, report = epoch_fn(state)
        report = jax.tree.map(lambda a: np.atleast_1d(np.asarray(a)), report)
        seconds = time.perf_counter() - start
        _check_finite(settings, training, epoch, report, state, checkpoints)
        last = epoch + 1 == epochs
        warnings = {} if guards is None else _new_warnings(guards, watch, state, records, last)
        records.append(record_of(report, seconds, warnings))
        hooks.on_epoch(epoch, report)
        for text in warnings.values():
            hooks.on_notice(f"{settings.title}, epoch {epoch + 1}: {text}")
        stopped = hooks.stop()
        if checkpoints and (stopped or checkpoints.due(epoch + 1, last)):
            checkpoints.save(epoch + 1, state, records)
            hooks.on_checkpoint(result())
        if stopped and not last:
            kept = f"; its checkpoint is in {checkpoints.directory}" if checkpoints else ""
            raise Stopped(f"{settings.title} was stopped after epoch {epoch + 1} of {epochs}{kept}")
    return dataclasses.replace(result(), counters=_mean_counters(state))


def _check_length(epochs: int, seeds: tuple[int, ...]) -> None:
    check_epochs(epochs)
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32:
        raise ValueError(
            f"seeds must hold at least one seed, whole and in [0, 2**32); got {seeds}."
        )


def _of_seeds(training: Training, seeds: tuple[int, ...]):
    """The training of all seeds at once, their keys, and the axes of the optimizer's state."""
    keys = jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))
    if len(seeds) == 1:
        return training, keys[0], None
    return over_seeds(training), keys, batch_axes(training).opt_state


def _new_warnings(
    guards: Guards, watch, state: RunState, records: list[Record], last: bool
) -> dict[str, str]:
    """The warnings after an epoch of kinds that no epoch before has given."""
    known = {kind for record in records for kind in record["warnings"]}
    found = guards.warnings(jax.device_get(watch(state.opt_state)), last)
    return {kind: text for kind, text in found.items() if kind not in known}


def _mean_counters(state: RunState) -> dict[str, Counters]:
    """What was counted on the tiles, on average over the seeds there are."""
    return {
        name: Counters(*(part.reshape(-1, part.shape[-1]).mean(axis=0) for part in counters))
        for name, counters in counters_of(state.opt_state).items()
    }


def _check_stop(settings: RuleSettings, hooks: Hooks, checkpoints: Checkpoints | None) -> None:
    if hooks.stop():
        kept = checkpoints is not None and checkpoints.newest() is not None
        raise Stopped(f"{settings.title} was stopped before an epoch", kept=kept)


def _restored(
    checkpoints: Checkpoints | None, resume: bool, training: Training, keys, hooks: Hooks
) -> Restored | None:
    """The checkpoint that a run goes on from."""
    if checkpoints is None:
        return None
    if not resume:
        checkpoints.check_none()
    if checkpoints.newest() is None:
        return None
    restored = checkpoints.restore(jax.eval_shape(training.init, keys))
    if restored is None:
        return None
    for notice in restored.notices:
        hooks.on_notice(notice)
    last = restored.rows[-1]
    metrics = [jnp.asarray(last[name], jnp.float32) for name in METRICS]
    hooks.on_epoch(restored.epoch - 1, EpochMetrics._make([*metrics, None]))
    return restored


def _check_finite(
    settings: RuleSettings,
    training: Training,
    epoch: int,
    report: EpochMetrics,
    state: RunState,
    checkpoints: Checkpoints | None,
) -> None:
    """Raises a FloatingPointError if an epoch met a number that is not finite."""
    found = None
    if report.broken is not None:
        found = describe(report.broken, part_names(state.params), training.steps_per_epoch)
    if found is None and np.isfinite([report.train_loss, report.test_loss]).all():
        return
    kept = checkpoints.newest() if checkpoints else None
    last_good = "" if kept is None else f" The last good checkpoint is {kept}."
    raise FloatingPointError(
        f"'{settings.title}' met numbers that are not finite in epoch {epoch + 1}: "
        f"{found or 'the loss'}. Lower "
        f"its learning rate (now {settings.learning_rate}) or the digital one (now "
        f"{settings.digital_learning_rate}).{last_good}"
    )
