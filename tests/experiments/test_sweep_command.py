"""``analogjax sweep``: what it writes, what it agrees with, and its mistakes."""

import json
import re

import numpy as np
import pytest
from flax import linen as nn

from analogjax import plotting
from analogjax.experiments._cli import main
from analogjax.experiments._data import checksum
from analogjax.experiments._options import TaskOptions
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._run import run
from analogjax.experiments._sweep_command import _usual
from analogjax.experiments._sweep_training import static_settings, sweep_cells
from analogjax.nn import linen as ann
from analogjax.plotting import plot_heat_map

SMALL = ["--train-size", "64", "--epochs", "2", "--num-tiles", "2"]


class OneLayer(nn.Module):
    @nn.compact
    def __call__(self, x):
        return ann.Dense(10)(x.reshape(x.shape[0], -1))


@pytest.fixture
def one_layer(monkeypatch):
    monkeypatch.setattr(TaskOptions, "model", lambda self: OneLayer())


def rows_of(directory):
    return [json.loads(line) for line in (directory / "cells.jsonl").read_text().splitlines()]


@pytest.mark.usefixtures("one_layer")
def test_a_sweep_writes_rows_summary_and_figure_and_gives_what_train_gives(tmp_path, capsys):
    over = ["--over", "states=4,10", "gamma=0.3,0.6", "--seeds", "2", "--seed", "3"]
    assert main(["sweep", *SMALL, *over, "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "cells.jsonl",
        "summary.json",
        "sweep.png",
    }
    rows, summary = rows_of(tmp_path), json.loads((tmp_path / "summary.json").read_text())
    assert [(r["states"], r["gamma"], r["seed"]) for r in rows] == [
        (states, gamma, seed) for states in (4, 10) for gamma in (0.3, 0.6) for seed in (3, 4)
    ]
    assert summary["over"] == {"states": [4.0, 10.0], "gamma": [0.3, 0.6]}
    assert summary["settings"]["learning_rate"] == rows[0]["learning_rate"] == 0.0879
    first = summary["results"][0]
    assert first["test_accuracy_mean"] == np.mean([row["test_accuracy"] for row in rows[:2]])
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert f"{100 * first['test_accuracy_mean']:.1f} %" in capsys.readouterr().out

    # A training of its own with the settings of a row.
    task = TaskOptions(train_size=64, states=10)
    settings = RuleSettings(num_tiles=2, gamma=0.6)
    alone = run(
        settings, OneLayer(), task.device(), task.images(), epochs=2, batch_size=8, seeds=(4,)
    )
    assert rows[-1]["pulses"] == alone.pulses[-1, 0] > 0
    np.testing.assert_allclose(rows[-1]["train_loss"], alone.train_loss[-1, 0], rtol=1e-5)

    # Once more: nothing is left to run.
    before = (tmp_path / "cells.jsonl").read_bytes()
    assert main(["sweep", *SMALL, *over, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "cells.jsonl").read_bytes() == before


@pytest.mark.usefixtures("one_layer")
def test_what_is_swept_by_default_is_what_the_rule_has(tmp_path):
    small = ["--train-size", "64", "--epochs", "1", "--seeds", "1", "--out", str(tmp_path)]
    assert main(["sweep", "--rule", "digital-sgd", *small]) == 0
    assert [row["learning_rate"] for row in rows_of(tmp_path)] == [0.03, 0.1, 0.3]
    assert _usual("analog-sgd") == ("states=4,10",)
    assert _usual("residual-learning") == ("states=4,10", "gamma=0.3,0.5,0.7")


@pytest.mark.usefixtures("one_layer")
def test_rules_can_be_the_last_of_several_names(tmp_path, capsys):
    small = ["--train-size", "32", "--epochs", "1", "--seeds", "1", "--out", str(tmp_path)]
    over = ["learning_rate=0.1,0.2", "batch_size=16", "rule=digital-sgd"]
    assert main(["sweep", *small, "--over", *over]) == 0
    assert (tmp_path / "sweep.png").exists()
    assert main(["sweep", *small, "--over", *over]) == 0
    said = capsys.readouterr().out
    assert "2 trainings in" in said
    assert "0 trainings in" in said
    assert "included, 2 on file" in said
    assert re.search(r"Test accuracy, 1 seed\s", said)


def test_states_and_bounds_that_are_swept_give_the_step():
    settings = RuleSettings(rule="analog-sgd", num_tiles=6)
    bounds = {"w_max": [0.3, 1.0], "states": [10.0], "w_min": [-0.3]}
    cells = sweep_cells(TaskOptions(), settings, bounds, 1, "data")
    np.testing.assert_allclose([cell["dw_min"] for cell in cells], [0.06, 0.13], rtol=1e-6)
    assert [cell["states"] for cell in cells] == [10.0, 10.0]
    assert "dw_min" not in static_settings(cells[0], bounds)
    (cell,) = sweep_cells(TaskOptions(), settings, {"dw_min": [0.1]}, 1, "data")
    assert cell["states"] == 20.0


@pytest.mark.usefixtures("one_layer")
def test_rows_of_other_devices_or_data_are_not_taken_for_those_asked_for(tmp_path, capsys):
    small = ["--epochs", "1", "--rule", "analog-sgd", "--seeds", "1", "--out", str(tmp_path)]
    rate = ["--over", "learning_rate=0.000618"]
    assert main(["sweep", "--train-size", "64", *small, "--over", "dw_min_std=0.9"]) == 0
    assert main(["sweep", "--train-size", "64", *small, *rate]) == 2
    assert "line 1 is not a cell of this sweep" in capsys.readouterr().err
    data = {row["data"] for row in rows_of(tmp_path)}
    assert data == {checksum(TaskOptions(train_size=64).images())}


@pytest.mark.usefixtures("one_layer")
def test_a_training_that_diverged_has_no_accuracy(tmp_path, capsys, monkeypatch):
    drawn = []

    def draw(axes, rows, *names, **options):
        drawn.extend((row["learning_rate"], row["test_accuracy"]) for row in rows)
        return plot_heat_map(axes, rows, *names, **options)

    monkeypatch.setattr(plotting, "plot_heat_map", draw)
    small = ["--train-size", "64", "--epochs", "2", "--rule", "digital-sgd", "--seeds", "2"]
    over = ["--over", "learning_rate=0.1,1e38", "--out", str(tmp_path)]
    assert main(["sweep", *small, *over]) == 0
    said = capsys.readouterr().out
    assert "2 trainings of 4 diverged" in said
    results = json.loads((tmp_path / "summary.json").read_text())["results"]
    assert [found["diverged"] for found in results] == [0, 2]
    assert results[0]["test_accuracy_mean"] > 0
    assert results[1]["test_accuracy_mean"] is None
    assert drawn == [(0.1, results[0]["test_accuracy_mean"]), (1e38, None)]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (["reset=0.0,0.5"], "Nothing to sweep is named 'reset'"),
        (["states=4,10", "dw_min=0.5"], "sweep states or dw_min, not both"),
        (["gamma=0.3", "--seed", "2147483647", "--seeds", "2"], "got 2147483648"),
        (["gama=0.3"], "Nothing to sweep is named 'gama'; choose from states, epochs"),
        (["gamma"], "takes name=value,value once for each name, got 'gamma'"),
        (["gamma=0.3", "gamma=0.4"], "once for each name, got 'gamma=0.4'"),
        (["gamma=a"], "gamma takes numbers, got 'a'"),
        (["gamma=0.3,0.3"], "--over has gamma=0.3 more than once"),
        (["batch_size=8,65"], "the number of training images, 64; got 65"),
        (["batch_size=0,8"], "the number of training images, 64; got 0"),
        (["gamma=0.3", "--seed", "-1"], "seed must lie in [0, 2**31), got -1"),
        (["gamma=0.3", "--weight-scale", "0"], "weight_scale must be above 0, got 0"),
        (["num_tiles=2.5"], "num_tiles takes whole numbers, got '2.5'"),
        (["gamma=0.3,1.5"], "gamma must lie in (0.0, 1.0], got 1.5"),
        (["states=1"], "A device needs at least 2 states, got 1"),
        (["epochs=0"], "epochs must be at least 1, got 0"),
        (["dw_min_std=-1"], "dw_min_std must be at least 0, got -1"),
        (["rule=adam"], "Unknown rule 'adam'"),
        (["chop_prob=0.1,0.2"], "chop_prob is no setting of residual-learning"),
        (["warm_start=cold"], "Unknown warm start 'cold'"),
        (["states=4,10", "--rule", "digital-sgd"], "states changes nothing under digital-sgd"),
        (["gamma=0.3", "--seeds", "0"], "seeds must be at least 1, got 0"),
    ],
)
def test_mistakes_are_told_in_one_sentence(over, message, tmp_path, capsys):
    small = SMALL if "digital-sgd" not in over else SMALL[:4]  # It has no tiles.
    assert main(["sweep", *small, "--out", str(tmp_path / "out"), "--over", *over]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
