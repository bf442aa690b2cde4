"""The claims of the reproductions on least squares and single weights, on a few seeds."""

import pytest

from analogjax.experiments import sweep
from analogjax.experiments.papers import (
    _asymptotic_error,
    _dynamics,
    _implicit_penalty,
    _learning_rates,
    _staged_tiles,
    _symmetric_point,
)
from analogjax.experiments.papers._least_squares import MEAN_PULSES


def check_claims(reproduction, seeds):
    cells = [cell for cell in reproduction.cells("quick") if cell["seed"] in seeds]
    rows = sweep(reproduction.make(None), cells, static=reproduction.static)
    values = reproduction.values(rows)
    means = {label: float(found.mean()) for label, found in values.items()}
    for claim in reproduction.claims:
        assert claim.holds(values), (claim.sentence, means)


@pytest.mark.parametrize(
    ("module", "seeds"),
    [
        (_dynamics, 3),
        pytest.param(_asymptotic_error, 4, marks=pytest.mark.slow),
        (_implicit_penalty, 1),
    ],
)
def test_the_claims_on_the_mean_dynamics_hold(module, seeds):
    check_claims(module.REPRODUCTION, range(seeds))


def test_the_claims_on_learning_rates_hold_of_the_mean_of_pulses(monkeypatch):
    monkeypatch.setattr(_learning_rates, "PULSES", MEAN_PULSES)  # Many times as fast.
    check_claims(_learning_rates.REPRODUCTION, range(3))


@pytest.mark.slow  # Many pulses.
def test_the_claims_on_the_symmetric_point_hold():
    # Of one problem: at this rate the steps are stable only as short trains of pulses, not cheap.
    check_claims(_symmetric_point.REPRODUCTION, [1])


@pytest.mark.slow  # It compiles each number of tiles.
def test_the_claims_on_staged_tiles_hold_in_short_stages(monkeypatch):
    monkeypatch.setattr(_staged_tiles, "STAGE", 900)
    check_claims(_staged_tiles.REPRODUCTION, [0])
