"""The command line: what it writes, and one sentence for every mistake."""

import contextlib
import json
import os
import re
import runpy
import sys

import pytest
from flax import linen as nn

from analogjax.devices import SoftBounds
from analogjax.experiments import _cli
from analogjax.experiments._cli import main
from analogjax.experiments._options import TaskOptions
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._run import run
from analogjax.nn import linen as ann

SMALL = ["--train-size", "64"]
PNG = b"\x89PNG\r\n\x1a\n"


class OneLayer(nn.Module):
    @nn.compact
    def __call__(self, x):
        return ann.Dense(10)(x.reshape(x.shape[0], -1))


def rows_of(directory):
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def small_task(monkeypatch):
    """One layer of devices all alike, which compiles faster than what the options name."""
    device = SoftBounds.with_states(4).without_variation()
    monkeypatch.setattr(TaskOptions, "model", lambda self: OneLayer())
    monkeypatch.setattr(TaskOptions, "device", lambda self: device)


def test_the_module_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["python", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("analogjax", run_name="__main__")
    assert ended.value.code == 0
    assert "usage: analogjax" in capsys.readouterr().out


@pytest.mark.usefixtures("small_task")
def test_train_writes_metrics_summary_and_figure_of_the_run_it_names(tmp_path, capsys):
    out = tmp_path / "made" / "by" / "train"
    rule = ["--rule", "residual-learning", "--num-tiles", "2", "--seed", "7"]
    assert main(["train", *SMALL, "--epochs", "2", *rule, "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {
        "metrics.jsonl",
        "summary.json",
        "accuracy.png",
    }
    rows, summary = rows_of(out), json.loads((out / "summary.json").read_text())
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["pulses"] > rows[0]["pulses"] > 0
    assert rows[-1]["test_accuracy"] == summary["test_accuracy"][0]
    assert summary["settings"]["num_tiles"] == 2
    assert summary["task"]["train_size"] == 64
    assert (out / "accuracy.png").read_bytes().startswith(PNG)
    assert f"{100 * rows[-1]['test_accuracy']:.1f} %" in capsys.readouterr().out

    # The same settings and seed once more, without the command line: the same to the bit.
    task = TaskOptions(train_size=64)
    again = run(
        RuleSettings(rule="residual-learning", num_tiles=2),
        task.model(),
        task.device(),
        task.images(),
        epochs=2,
        batch_size=task.batch_size,
        seeds=(7,),
    ).rows()
    for row in (*rows, *again):
        assert row.pop("samples_per_second") > 0
    assert rows == again
    assert {"epoch", "train_loss", "test_accuracy"} <= set(rows[0])


@pytest.mark.usefixtures("small_task")
def test_compare_writes_one_run_for_each_rule(tmp_path, capsys):
    options = [*SMALL, "--epochs", "1", "--num-tiles", "2", "--seeds", "1", "--seed", "3"]
    assert main(["compare", "--cost", *options, "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "metrics.jsonl",
        "summary.json",
        "compare.png",
        "cost.png",
    }
    rows = rows_of(tmp_path)
    rules = ["digital-sgd", "analog-sgd", "tiki-taka", "mixed-precision"]
    rules += ["residual-learning", "buffered-residual-learning"]
    assert [row["rule"] for row in rows] == rules
    assert {row["seed"] for row in rows} == {3}
    assert [row["num_tiles"] for row in rows] == [0, 1, 2, 1, 2, 2]
    assert rows[0]["pulses"] == 0
    assert rows[-1]["pulses"] > 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [r["test_accuracy"] for r in summary["runs"]] == [[r["test_accuracy"]] for r in rows]
    assert (tmp_path / "compare.png").read_bytes().startswith(PNG)
    told = capsys.readouterr().out
    assert all(row["run"] in told for row in rows)

    # What a sample has cost: passes of one layer of 64 by 10, no error behind it, and the pulses
    # that were counted. The command "cost" says the same of the directory.
    assert (tmp_path / "cost.png").read_bytes().startswith(PNG)
    costs = summary["costs"]
    assert [*costs] == [row["run"] for row in rows]
    assert costs["Digital SGD"] is None
    assert costs["Analog SGD"]["pass_energy_nj"] == pytest.approx(74 * 7.29 / 1295)
    assert costs["Residual learning, 2 tiles"]["pass_energy_nj"] == pytest.approx(148 * 7.29 / 1295)
    counters = summary["runs"][1]["counters"]["Dense_0/kernel"]
    slots = counters["slots"][0] / summary["runs"][1]["samples"]
    assert costs["Analog SGD"]["pulse_energy_nj"] == pytest.approx(0.7 * 74 / 8192 * 5 * slots)
    assert counters["pulses"] == [summary["runs"][1]["pulses_mean"]]
    assert f"{costs['Analog SGD']['energy_nj']:.1f}" in told
    out = tmp_path / "again"
    assert main(["cost", "--run", str(tmp_path), "--out", str(out)]) == 0
    assert json.loads((out / "summary.json").read_text())["costs"] == costs


@pytest.mark.parametrize("command", ["train", "compare"])
@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--states", "1"], "got 1.0"),
        (["--batch-size", "0"], "got 0"),
        (["--batch-size", "1000", *SMALL], "got 1000"),
        (["--epochs", "0"], "got 0"),
        (["--seed", "-1"], "seed must lie in [0, 2**31), got -1"),
        (["--train-size", "99999"], "got 99999"),
        (["--dataset", "mnist"], "mnist needs"),
        (["--dataset", "mnist", "--data-dir", "not/here"], "not/here does not exist"),
        (["--dataset", "mnist", "--download"], "train-images-idx3-ubyte.gz could not"),
    ],
)
def test_a_mistake_in_the_task_is_told_in_one_sentence(command, arguments, value, refused):
    assert value in refused(command, *arguments)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--learning-rate", "-1"], "learning_rate must be .* got -1.0"),
        (["--num-tiles", "0"], "num_tiles must be .* got 0"),
        (["--gamma", "1.5"], "gamma must .* got 1.5"),
        (["--transfer-every", "0"], "transfer_every must .* got 0"),
        (["--reads-per-transfer", "inf"], "reads_per_transfer .* got inf"),
        (["--reads-per-transfer", "nan"], "reads_per_transfer .* got nan"),
        (["--transfer-lr", "nan"], "transfer_lr must .* got nan"),
        (["--digital-learning-rate", "-2"], "digital_learning_rate must .* got -2.0"),
        (["--rule", "agad", "--num-tiles", "4"], "num_tiles is no setting of agad"),
    ],
)
def test_a_mistake_in_the_rule_is_told_in_one_sentence(arguments, value, refused):
    assert re.search(value, refused("train", *arguments))


def test_output_that_nobody_reads_stops_nothing(monkeypatch):
    left = []
    monkeypatch.setattr(_cli, "_leave_output", lambda: left.append(True))
    read, write = os.pipe()
    os.close(read)
    file = os.fdopen(write, "w", buffering=1)
    console = _cli._Console(file=file)
    for _ in range(2):
        console.print("a warning")
    assert left == [True]
    with contextlib.suppress(BrokenPipeError):
        file.close()


def test_a_loss_that_is_not_finite_leaves_nothing_behind(refused):
    told = refused("train", *SMALL, "--rule", "digital-sgd", "--learning-rate", "1e38")
    assert "'Digital SGD' met numbers that are not finite in epoch 1" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rule", "nonsense"],
        ["--dataset", "nonsense"],
        ["--epochs", "nonsense"],
        ["--nonsense", "3"],
    ],
)
def test_what_cannot_be_parsed_is_named_and_exits_with_two(arguments, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as exited:
        main(["train", *arguments, "--out", str(out)])
    assert exited.value.code == 2
    assert "nonsense" in capsys.readouterr().err
    assert not out.exists()
