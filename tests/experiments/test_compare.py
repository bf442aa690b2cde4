"""The trainings of a comparison, side by side."""

import time

import numpy as np
import pytest
from rich.console import Console

from analogjax.experiments import _compare, _side_by_side
from analogjax.experiments._compare import CompareOptions, compare
from analogjax.experiments._options import TaskOptions
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
