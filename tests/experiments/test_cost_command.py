"""The command ``cost``: the published numbers of the network it names, and clear mistakes."""

import dataclasses
import json
import re

import pytest

from analogjax.cost import Technology, technology_from_json, technology_to_json
from analogjax.experiments._cli import main
from analogjax.experiments._hardware import hardware_rule
from analogjax.experiments._rules import RuleSettings

TOTALS = {"energy_nj", "time_ns", "storage_bytes", "area_mm2", "fp_ops", "memory_bits"}


def reckoned(directory, *arguments):
    assert main(["cost", *arguments, "--out", str(directory)]) == 0
    return json.loads((directory / "summary.json").read_text())


def test_the_costs_of_lenet_are_the_published_ones(tmp_path, capsys):
    summary = reckoned(tmp_path, "--dataset", "mnist", "--num-tiles", "4", "6")
    assert {path.name for path in tmp_path.iterdir()} == {"summary.json", "technology.json"}
    costs = summary["costs"]
    assert len(costs) == 11
    assert set(costs["AGAD"]) > TOTALS
    assert costs["Residual learning, 6 tiles"]["storage_bytes"] == 2130
    assert costs["Tiki-Taka v2"]["storage_bytes"] == 82146
    assert costs["Mixed precision"]["storage_bytes"] == 97056
    assert round(costs["Tiki-Taka v2"]["time_ns"], 1) == 56.3
    assert round(costs["Analog SGD"]["area_mm2"], 4) == 0.0128
    assert [layer["vectors"] for layer in summary["layers"]] == [576, 64, 1, 1]
    told = capsys.readouterr().out
    assert re.search(r"Residual learning, 6 tiles +2\.13 ", told)
    assert re.search(r"Mixed precision +97\.1 .* 832 ", told)


def test_a_single_tile_has_no_buffer(tmp_path):
    rules = ["--rules", "residual-learning", "buffered-residual-learning"]
    summary = reckoned(tmp_path, *rules, "--num-tiles", "1", "2")
    assert [*summary["costs"]] == [
        "Residual learning, 1 tile",
        "Residual learning, 2 tiles",
        "Buffered residual learning, 2 tiles",
    ]


def test_the_hardware_is_that_of_the_file_and_of_the_options(tmp_path):
    other = Technology(pulse_time_ns=0.0, read_time_ns=0.0, digital_tflops=0.175)
    path = tmp_path / "mine.json"
    path.write_text(technology_to_json(other))
    arguments = ["--technology", str(path), "--shared-converters", "--planar-tiles"]
    rules = ["--rules", "residual-learning", "--num-tiles", "5", "--array-size", "32"]
    summary = reckoned(tmp_path / "out", *arguments, *rules)
    (cost,) = summary["costs"].values()
    # 9 by 16, 144 by 64 and 64 by 10, in parts of at most 32 lines.
    assert len(summary["layers"]) == 1 + 5 * 2 + 2
    assert all(part["inputs"] <= 32 and part["outputs"] <= 32 for part in summary["layers"])
    crosspoints = 9 * 16 + 144 * 64 + 64 * 10
    assert cost["area_mm2"] == pytest.approx(10 * 0.16e-6 * crosspoints)
    assert cost["time_ns"] == 2 * 32 / (175 / 4)
    used = technology_from_json((tmp_path / "out" / "technology.json").read_text())
    assert used == dataclasses.replace(other, shared_converters=True, stacked_tiles=False)


def test_every_rule_has_the_settings_of_its_training():
    def of(name, **settings):
        settings = RuleSettings(rule=name, **settings).complete()
        return hardware_rule(settings, batch_size=16, transfer_period=7)

    assert of("digital-sgd") is None
    assert of("mixed-precision").batch_size == 16
    assert of("residual-learning", num_tiles=3).num_tiles == 3
    assert of("buffered-residual-learning", num_tiles=3).num_tiles == 3
    assert of("residual-learning-v2").gamma == 0.13
    assert of("agad").transfer_period == 7


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--num-tiles", "0"], "num_tiles of ResidualLearning must be at least 1, got 0"),
        (["--batch-size", "0"], "batch_size of MixedPrecision must be at least 1, got 0"),
        (["--transfer-period", "0.5"], "transfer_period .* at least 1, got 0.5"),
        (["--pulses-per-vector", "-1"], "pulses_per_vector .* at least 0, got -1"),
        (["--array-size", "0"], "max_input_size must be .* got 0"),
        (["--rules", "digital-sgd"], "No rule of digital-sgd .* has a cost on arrays"),
        (["--technology", "not/here.json"], "analogjax: not/here.json: No such file"),
        (["--technology", "."], r"analogjax: \.: Is a directory"),
        (["--run", "not/here"], "not/here/summary.json"),
        (["--run", "not/here", "--dataset", "mnist"], "--run has its own dataset"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(arguments, told, refused):
    assert re.search(told, refused("cost", *arguments))


def test_a_mistake_in_a_technology_names_the_file(tmp_path, refused):
    path = tmp_path / "mine.json"
    path.write_text(technology_to_json(Technology(read_time_ns=-1.0)))
    assert "mine.json: read_time_ns of the technology" in refused("cost", "--technology", str(path))
    hardware = ["compare", "--technology", str(path)]
    assert "need --cost" in refused(*hardware)
    assert "read_time_ns" in refused(*hardware, "--cost")


@pytest.mark.parametrize(
    ("summary", "told"),
    [
        ("{", "is not the summary of"),
        ("[]", "is not the summary of"),
        ('{"task": {}}', "is not the summary of"),
        ('{"task": {"nonsense": 3}, "runs": []}', "is not the summary of"),
        ('{"task": {}, "runs": []}', "has no training on arrays"),
    ],
)
def test_what_is_no_run_is_told(summary, told, tmp_path, refused):
    (tmp_path / "summary.json").write_text(summary)
    assert told in refused("cost", "--run", str(tmp_path))
