"""The command ``device``: its numbers are the device's, and a mistake is one sentence."""

import json
import re

import jax
import numpy as np
import pytest

from analogjax import presets
from analogjax.devices import LinearStep, SoftBounds
from analogjax.experiments._cli import main
from analogjax.experiments._named_devices import device_names, named_device
from analogjax.plotting import pulse_response

PNG = b"\x89PNG\r\n\x1a\n"
PULSES = np.tile(np.repeat([1, -1], 40), 2)


def summary_of(directory):
    assert {path.name for path in directory.iterdir()} == {"device.png", "summary.json"}
    assert (directory / "device.png").read_bytes().startswith(PNG)
    return json.loads((directory / "summary.json").read_text())


def write_curves(path, device, crosspoints):
    trace = pulse_response(jax.random.key(0), device, PULSES, crosspoints=crosspoints)
    lines = ["pulse,conductance,device"]
    for name, curve in enumerate(trace.T):
        lines += [f"{p},{c},d{name}" for p, c in zip((0, *PULSES), curve, strict=True)]
    path.write_text("\n".join(lines) + "\n")


def test_a_preset_is_shown_with_its_numbers(tmp_path, capsys):
    assert main(["device", "ecram", "--pulses", "20", "--out", str(tmp_path)]) == 0
    summary = summary_of(tmp_path)
    device = presets.ecram().without_variation()
    cells = device.sample(jax.random.key(0), ())
    assert summary["n_states"] == pytest.approx(1000)
    assert summary["granularity"] == 0.002
    assert summary["symmetric_point"] == pytest.approx(float(device.symmetric_point(cells)))
    half = summary["points"]["half way to w_max"]
    assert half["q_up"] == pytest.approx(1 - 0.1153 / 2)
    assert half["F"] - half["G"] == pytest.approx(half["q_up"])
    assert half["F"] + half["G"] == pytest.approx(half["q_down"])
    told = capsys.readouterr().out
    assert "LinearStep with 1000 states" in told
    assert "symmetric point" in told


@pytest.mark.parametrize("name", ["reram-es", "reram_es", "ReRamES"])
def test_a_preset_has_its_name_in_any_case(name):
    assert named_device(name) == presets.reram_es()


def test_device_classes_have_names_and_any_number_of_states():
    assert {"soft-bounds", "exp-step", "pow-step-reference"} <= set(device_names())
    for name in device_names():
        assert float(named_device(name, 7).n_states) == pytest.approx(7)
    assert named_device("LinearStep") == LinearStep()


def test_measured_curves_are_fitted_and_told(tmp_path, capsys):
    path, out = tmp_path / "curves.csv", tmp_path / "out"
    write_curves(path, SoftBounds(dw_min=0.05, w_max=0.8, w_min=-0.5), 4)
    arguments = ["--fit", str(path), "--model", "soft_bounds", "--out", str(out)]
    assert main(["device", *arguments]) == 0
    summary = summary_of(out)
    assert (summary["curves"], summary["pulses"]) == (4, len(PULSES))
    assert summary["values"]["dw_min"] == pytest.approx(0.05, rel=0.5)
    assert summary["device"]["dw_min"] == summary["values"]["dw_min"]
    assert re.search(r"w_max +│ +0\.\d+ │ +0\.\d+ to ", capsys.readouterr().out)


def test_what_the_data_do_not_determine_is_noted(tmp_path, capsys):
    path, out = tmp_path / "up.csv", tmp_path / "out"
    rows = ["pulse,conductance", "0,0", *(f"1,{1 - 0.9**n:.6f}" for n in range(1, len(PULSES) + 1))]
    path.write_text("\n".join(rows))
    assert main(["device", "--fit", str(path), "--out", str(out)]) == 0
    assert "the data do not determine it" in capsys.readouterr().out
    assert summary_of(out)["intervals"]["w_min"] == [None, None]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name one device to look at"),
        (["ecram", "--fit", "curves.csv"], "Name one device to look at"),
        (["memristor"], "No device is named 'memristor'; choose from .*reram-es"),
        (["soft-bounds", "--states", "1"], "at least 2 states, got 1.0"),
        (["soft-bounds", "--pulses", "0"], "pulses must be at least 1, got 0"),
        (["soft-bounds", "--seed", "9999999999"], "seed must lie in .* got 9999999999"),
        (["ecram", "--model", "soft-bounds"], "model is of --fit, got 'soft-bounds' without it"),
        (["--fit", "not/here.csv"], "not/here.csv is not a file"),
        (["--fit", "curves.csv", "--pulses", "7"], "pulses and seed are of a device to look at"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(arguments, said, refused):
    assert re.search(said, refused("device", *arguments))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: got '' instead of a header"),
        ("time,conductance\n0,0\n", "line 1: got 'time,conductance' instead"),
        ("pulse,conductance\n", "a crosspoint needs a row to start from"),
        ("pulse,conductance\n0,0\n", "a crosspoint needs a row to start from"),
        ("pulse,conductance\n1,0\n1,0.1\n", r"line 2: the first row .* got pulse \+1"),
        ("pulse,conductance\n0,0\n2,0.1\n", "line 3: pulse must be .* got 2"),
        ("pulse,conductance\n0,0\n\n1,high\n", "line 4: conductance must be a number, got 'high'"),
        ("pulse,conductance\n0,0\n1,nan\n", "line 3: conductance must be a number, got 'nan'"),
        ("pulse,conductance\n0,0\n1\n", "line 3: got 1 values for 2 columns"),
        (f"pulse,conductance\n0,{'0' * 200_000}\n", r"line 2: not CSV \(field larger"),
        ("pulse,conductance\n0,0.5\n1,0.5\n", "curves.csv: conductance must move"),
        (
            "pulse,conductance,device\n0,0,a\n1,0.1,a\n0,0,b\n-1,-0.1,b\n",
            "device 'b' has other pulses than device 'a'",
        ),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(text, said, tmp_path, refused):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    assert re.search(said, refused("device", "--fit", str(path)))
