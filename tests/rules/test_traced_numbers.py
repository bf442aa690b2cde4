"""Numbers out of range that nobody can see, since JAX is tracing them, give NaN, not a result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax
from analogjax.devices import SoftBounds, VectorCell
from analogjax.pulses import ExpectedPulses

DEVICE = SoftBounds.with_states(10).without_variation()
EXPECTED = ExpectedPulses()  # Which compiles fastest.


def fields_of_a_device(**fields):
    return analogjax.analog_sgd(0.1, SoftBounds(**fields), key=0, pulses=EXPECTED)


def part_of_a_cell(dw_min):
    cell = VectorCell(devices=(DEVICE, SoftBounds(dw_min=dw_min)))
    return analogjax.analog_sgd(0.1, cell, key=0)


def rule_of(make, **settings):
    settings |= {"pulses": EXPECTED}
    return lambda **numbers: make(0.1, DEVICE, key=0, **settings, **numbers)


def chain_of(make, **settings):
    return rule_of(make, transfer_pulses=EXPECTED, **settings)


def significances(make):
    return lambda first, second: make(gamma=(first, second))


# A rule, and of each number a valid value and an invalid one.
CASES = [
    (
        fields_of_a_device,
        {
            "dw_min": (0.1, 0.0),
            "w_max": (0.6, -0.6),
            "w_min": (-0.6, 0.6),
            "up_down": (0.1, 1.0),
            "dw_min_std": (0.3, np.inf),
            "dw_min_dtod": (0.3, np.nan),
        },
    ),
    (part_of_a_cell, {"dw_min": (0.1, -0.1)}),
    (
        significances(chain_of(analogjax.tiki_taka)),
        {"first": (1.0, 0.5), "second": (0.5, -0.5)},
    ),
    (
        chain_of(analogjax.residual_learning, num_tiles=2),
        {"gamma": (0.5, 0.0), "transfer_lr": (0.5, -0.5), "transfer_threshold": (0.5, -0.5)},
    ),
    (
        rule_of(analogjax.tiki_taka_v2),
        {
            "gamma": (0.5, 1.5),
            "transfer_lr": (0.5, np.inf),
            "threshold": (0.5, 0.0),
            "momentum": (0.5, 1.5),
        },
    ),
    (
        chain_of(analogjax.residual_learning_v2),
        {"threshold": (0.5, -0.5), "momentum": (0.5, -0.5)},
    ),
    (rule_of(analogjax.mixed_precision), {"momentum": (0.5, 1.5)}),
    (
        rule_of(analogjax.agad),
        {
            "chop_prob": (0.5, 1.5),
            "momentum": (0.5, -0.5),
            "auto_momentum": (0.5, 1.5),
            "buffer_granularity": (0.5, 0.0),
            "auto_granularity": (0.5, -0.5),
            "tail_weighting": (0.5, -0.5),
            "buffer_cap": (0.5, -0.5),
        },
    ),
]


@pytest.mark.parametrize(("make", "numbers"), CASES)
def test_a_traced_number_out_of_range_gives_nan(make, numbers):
    params = {"kernel": jnp.full((2, 2), 0.05)}
    good = {name: pair[0] for name, pair in numbers.items()}
    cells = [good] + [{**good, name: numbers[name][1]} for name in numbers]
    for cell in cells[1:]:
        with pytest.raises(ValueError, match="must"):
            make(**cell).init(params)

    @jax.jit
    @jax.vmap
    def updates(cell):
        rule = make(**cell)
        return rule.update(params, rule.init(params), params)[0]["kernel"]

    columns = {name: jnp.array([cell[name] for cell in cells]) for name in good}
    of_good, *of_bad = updates(columns)
    assert jnp.isfinite(of_good).all()
    for name, update in zip(numbers, of_bad, strict=True):
        assert jnp.isnan(update).all(), name
