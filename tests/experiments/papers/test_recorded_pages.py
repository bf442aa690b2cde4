"""The recorded result pages are those of today's settings."""

import json
from pathlib import Path

import pytest

from analogjax.experiments.papers import ALL

RECORDED = Path(__file__).parents[3] / "benchmarks" / "results" / "reproduce"


@pytest.mark.parametrize("name", ALL)
def test_a_quick_scale_has_the_settings_that_were_recorded(name):
    recorded = json.loads((RECORDED / f"{name}-quick" / "summary.json").read_text())
    cells = ALL[name].cells("quick")
    assert recorded["seeds"] == sorted({cell["seed"] for cell in cells})
    for setting, values in recorded["settings"].items():
        assert set(values) == {cell[setting] for cell in cells}, setting
    lines = [result["label"] for result in recorded["results"]]
    assert sorted(lines) == sorted(set(map(ALL[name].label, cells)))
