"""Numbers out of range that nobody can see, since JAX is tracing them, give NaN, not a result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax
from analogjax.devices import ReferencePair, SoftBounds, SoftBoundsReference, VectorCell

DEVICE = SoftBounds.with_states(10)
CELL = VectorCell(devices=(DEVICE, DEVICE))


def fields_of_a_device(**fields):
    return analogjax.analog_sgd(0.1, SoftBounds(**fields), key=0)


def nested_devices(first, pair):
    cell = VectorCell(devices=(SoftBounds(dw_min=first), DEVICE))
    reference = ReferencePair(device=SoftBoundsReference(dw_min=pair))
    return analogjax.tiki_taka(0.1, (cell, reference), key=0)


def several_significances(first, second):
    return analogjax.tiki_taka(0.1, DEVICE, key=0, gamma=(first, second))


def rule_of(make, **settings):
    return lambda **numbers: make(0.1, DEVICE, key=0, **settings, **numbers)


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
    (nested_devices, {"first": (0.1, -0.1), "pair": (0.1, -0.1)}),
    (several_significances, {"first": (1.0, 0.5), "second": (0.5, -0.5)}),
    (
        rule_of(analogjax.residual_learning, num_tiles=2),
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
        rule_of(analogjax.residual_learning_v2),
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
