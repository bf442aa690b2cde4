"""The trainings of a comparison, side by side."""

import time

import numpy as np
import pytest
from rich.console import Console

from analogjax.experiments import _compare, _side_by_side
from analogjax.experiments._compare import CompareOptions, compare
from analogjax.experiments._options import TaskOptions
from analogjax.experiments._stop import Stopped
from analogjax.experiments._training import EpochMetrics


def test_the_first_mistake_stops_the_other_trainings_and_is_the_one_told(tmp_path, monkeypatch):
    epochs = {}

    def run(settings, *_, hooks, **__):
        if settings.rule == "analog-sgd":
            raise FloatingPointError("the loss of analog SGD")
        for epoch in range(3000):
            epochs[settings.title] = epoch
            hooks.on_epoch(epoch, EpochMetrics(*np.zeros((4, 1))))
            time.sleep(0.01)

    monkeypatch.setattr(_compare, "run", run)
    monkeypatch.setattr(_side_by_side, "cores", lambda: 2)
    options = CompareOptions(task=TaskOptions(train_size=64), out=tmp_path / "out")
    with pytest.raises(FloatingPointError, match="the loss of analog SGD"):
        compare(options, Console(quiet=True))
    assert "Analog SGD" not in epochs
    assert max(epochs.values()) < 2999
    assert not options.out.exists()


def test_what_had_ended_before_a_comparison_was_stopped_is_kept(tmp_path, monkeypatch):
    started = []

    def run(settings, *_, checkpoints, **__):
        started.append(settings.rule)
        if settings.rule != "digital-sgd":
            raise Stopped("stopped before an epoch", kept=False)
        assert checkpoints.due(24, last=True)
        assert not checkpoints.due(23, last=False)
        checkpoints.save(24, {"w": np.zeros(1)}, [])

    monkeypatch.setattr(_compare, "run", run)
    monkeypatch.setattr(_side_by_side, "cores", lambda: 1)
    options = CompareOptions(task=TaskOptions(train_size=64), out=tmp_path / "out")
    with pytest.raises(Stopped) as stopped:
        compare(options, Console(quiet=True))
    assert stopped.value.kept
    started.clear()
    with pytest.raises(ValueError, match="digital-sgd has the checkpoints of an earlier run"):
        compare(options, Console(quiet=True))
    assert not started
