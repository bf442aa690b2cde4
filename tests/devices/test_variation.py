"""Each source of variation against its law, drawn for 40,000 crosspoints.

Kolmogorov-Smirnov and binomial tests fail a right program for one seed in 10,000 (p < 1e-4);
bounds on moments are five standard errors. Seeds are fixed.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from analogjax.devices import (
    ConstantStep,
    ExpStep,
    LinearStep,
    PiecewiseStep,
    PowStep,
    PowStepReference,
    ReferencePair,
    ResponseFunctions,
    SoftBounds,
    SoftBoundsReference,
)

SHAPE = (200, 200)
N = SHAPE[0] * SHAPE[1]
P_VALUE = 1e-4
KEY = jax.random.key(11)


def quiet(cls=ConstantStep, **fields):
    """A device in which only the given fields vary."""
    required = {"q_up": jnp.ones_like, "q_down": jnp.ones_like} if cls is ResponseFunctions else {}
    mean = cls(**required).without_variation()
    return dataclasses.replace(mean, **{"dw_min": 0.01, **fields})


def follows(sample, law):
    return stats.kstest(np.ravel(sample).astype(float), law.cdf).pvalue > P_VALUE


def relative_gain(cells):
    return cells.step_up / 0.01


LAWS = {
    "w_max_dtod": (
        {"w_max": 0.8, "w_max_dtod": 0.1},
        lambda cells: cells.w_max,
        stats.norm(0.8, 0.08),
    ),
    "w_min_dtod": (
        {"w_min": -0.5, "w_min_dtod": 0.2},
        lambda cells: cells.w_min,
        stats.norm(-0.5, 0.1),
    ),
    "dw_min_dtod": ({"dw_min_dtod": 0.15}, relative_gain, stats.norm(1, 0.15)),
    "dw_min_dtod_folded_to_positive_steps": (
        {"dw_min_dtod": 0.8},
        relative_gain,
        stats.foldnorm(1 / 0.8, scale=0.8),
    ),
    "dw_min_dtod_not_folded_without_consistency": (
        {"dw_min_dtod": 0.8, "enforce_consistency": False},
        relative_gain,
        stats.norm(1, 0.8),
    ),
    "dw_min_dtod_log_normal": (
        {"dw_min_dtod": 0.5, "dw_min_dtod_log_normal": True},
        relative_gain,
        stats.lognorm(0.5),
    ),
    "gamma_up_dtod": (
        {"cls": LinearStep, "gamma_up": 0.1, "gamma_up_dtod": 0.2},
        lambda cells: cells.gamma_up,
        stats.foldnorm(0.5, scale=0.2),
    ),
    "gamma_down_dtod_where_steps_may_increase": (
        {"cls": LinearStep, "gamma_down": 0.1, "gamma_down_dtod": 0.2, "allow_increasing": True},
        lambda cells: cells.gamma_down,
        stats.norm(0.1, 0.2),
    ),
    "slope_up_dtod": (
        {"cls": SoftBoundsReference, "w_max": 0.5, "slope_up_dtod": 0.2},
        lambda cells: 0.5 / cells.w_max,
        stats.foldnorm(5, scale=0.2),
    ),
    "slope_down_dtod": (
        {"cls": SoftBoundsReference, "w_min": -0.5, "slope_down_dtod": 0.8},
        lambda cells: -0.5 / cells.w_min,
        stats.foldnorm(1.25, scale=0.8),
    ),
    "reference_std": (
        {"cls": SoftBoundsReference, "reference_mean": 0.1, "reference_std": 0.05},
        lambda cells: cells.reference,
        stats.norm(0.1, 0.05),
    ),
    "reference_std_of_the_power_device": (
        {"cls": PowStepReference, "w_max": 0.5, "reference_std": 0.05},
        lambda cells: cells.w_max,
        stats.norm(0.5, 0.05),
    ),
    "pow_gamma_dtod": (
        {"cls": PowStep, "pow_gamma": 2.0, "pow_gamma_dtod": 0.1, "pow_up_down": 0.2},
        lambda cells: cells.exponent_down,
        stats.norm(2 * (1 - 0.2), 0.2),
    ),
    "pow_up_down_dtod": (
        {"cls": PowStep, "pow_gamma": 2.0, "pow_up_down_dtod": 0.1, "pow_up_down": -0.2},
        lambda cells: cells.exponent_up,
        stats.norm(2 * (1 - 0.2), 0.2),
    ),
    "pow_gamma_dtod_folded_to_positive_exponents": (
        {"cls": PowStep, "pow_gamma": 2.0, "pow_gamma_dtod": 0.8},
        lambda cells: cells.exponent_up,
        stats.foldnorm(1 / 0.8, scale=1.6),
    ),
    "up_down_dtod": (
        {"up_down_dtod": 0.05},
        lambda cells: (cells.step_up - cells.step_down) / 2 / 0.01,
        stats.norm(0, 0.05),
    ),
}


@pytest.mark.parametrize("name", LAWS)
def test_crosspoint_constant_follows_its_law(name):
    fields, observable, law = LAWS[name]
    sample = observable(quiet(**fields).sample(KEY, SHAPE))
    assert follows(sample, law)
    if law.var() < np.inf:
        error = np.sqrt(law.var() / N)
        assert abs(np.mean(sample, dtype=float) - law.mean()) < 5 * error


def test_both_exponents_share_their_spread_and_their_imbalance():
    cells = quiet(PowStep, pow_gamma_dtod=0.1).sample(KEY, SHAPE)
    np.testing.assert_array_equal(cells.exponent_up, cells.exponent_down)
    cells = quiet(PowStep, pow_gamma=1.5, pow_up_down_dtod=0.1).sample(KEY, SHAPE)
    np.testing.assert_allclose(cells.exponent_up + cells.exponent_down, 3.0, rtol=1e-6)
    assert np.std(cells.exponent_up) > 0.1


@pytest.mark.parametrize("cls", [SoftBoundsReference, PowStepReference])
def test_spread_and_mean_of_the_reference_are_all_that_is_left_of_the_symmetric_point(cls):
    spreads = {"up_down_dtod": 0.1, "w_max_dtod": 0.1, "dw_min_dtod": 0.1}
    plain = quiet(cls, up_down=0.2, **spreads)
    reference = {"reference_mean": 0.1, "reference_std": 0.02, "subtract_symmetry_point": True}
    device = dataclasses.replace(plain, **reference)
    point = device.symmetric_point(device.sample(KEY, SHAPE))
    # To the precision of single numbers the points are normal, with a spread of their own.
    assert stats.kstest(np.ravel(point), stats.norm(-0.1, 0.02).cdf).pvalue > P_VALUE
    assert np.std(plain.symmetric_point(plain.sample(KEY, SHAPE))) > 0.05


def test_symmetric_point_of_soft_bounds_is_the_closed_form():
    device = quiet(SoftBoundsReference, up_down_dtod=0.1, w_max_dtod=0.1, dw_min_dtod=0.1)
    u, v, above, below, _ = cells = device.sample(KEY, SHAPE)
    closed = (u - v) / (u / above - v / below)
    np.testing.assert_allclose(device.symmetric_point(cells), closed, rtol=1e-4, atol=1e-6)


def test_up_and_down_steps_share_the_gain():
    cells = quiet(dw_min_dtod=0.3).sample(KEY, SHAPE)
    np.testing.assert_array_equal(cells.step_up, cells.step_down)


def test_imbalance_of_directions_leaves_their_sum_alone():
    cells = quiet(up_down_dtod=0.1).sample(KEY, SHAPE)
    np.testing.assert_allclose(cells.step_up + cells.step_down, 0.02, rtol=1e-6)


@pytest.mark.parametrize(
    ("up_down", "up", "down"), [(0.3, 1.0, 0.7), (-0.3, 0.7, 1.0), (0.0, 1.0, 1.0)]
)
def test_up_down_weakens_one_direction_only(up_down, up, down):
    cells = quiet(up_down=up_down).sample(KEY, SHAPE)
    np.testing.assert_allclose(cells.step_up, 0.01 * up, rtol=1e-6)
    np.testing.assert_allclose(cells.step_down, 0.01 * down, rtol=1e-6)


def test_constants_of_a_crosspoint_are_drawn_independently():
    cells = quiet(w_max_dtod=0.1, w_min_dtod=0.1, dw_min_dtod=0.1, up_down_dtod=0.1).sample(
        KEY, SHAPE
    )
    gain, imbalance = cells.step_up + cells.step_down, cells.step_up - cells.step_down
    drawn = np.stack([np.ravel(a) for a in (cells.w_max, cells.w_min, gain, imbalance)])
    off_diagonal = np.corrcoef(drawn.astype(float)) - np.eye(4)
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(N)


PULSE_NOISE = {
    # mean step and spread, both in units of dw_min, from w = 0.3 between bounds of +-0.6
    "constant_step": (quiet(ConstantStep, dw_min_std=0.4), (1.0, 0.4), (1.0, 0.4)),
    "soft_bounds_mult": (quiet(SoftBounds, dw_min_std=0.4), (0.5, 0.2), (1.5, 0.6)),
    "soft_bounds_additive": (
        quiet(SoftBounds, dw_min_std=0.4, mult_noise=False),
        (0.5, 0.4),
        (1.5, 0.4),
    ),
    "linear_step_mult": (
        quiet(LinearStep, dw_min_std=0.4, gamma_up=0.5, gamma_down=0.2),
        (0.75, 0.3),
        (1.1, 0.44),
    ),
    "linear_step_additive": (
        quiet(LinearStep, dw_min_std=0.4, gamma_up=0.5, gamma_down=0.2, mult_noise=False),
        (0.75, 0.4),
        (1.1, 0.4),
    ),
    "soft_bounds_reference": (
        quiet(SoftBoundsReference, dw_min_std=0.4, reference_mean=-0.15),
        (0.75, 0.4),
        (1.25, 0.4),
    ),
    "soft_bounds_reference_mult": (
        quiet(SoftBoundsReference, dw_min_std=0.4, reference_mean=-0.15, mult_noise=True),
        (0.75, 0.3),
        (1.25, 0.5),
    ),
    "pow_step": (quiet(PowStep, dw_min_std=0.4, pow_gamma=2.0), (1 / 16, 0.025), (9 / 16, 0.225)),
    "piecewise_step": (
        quiet(
            PiecewiseStep,
            dw_min_std=0.4,
            piecewise_up=(1.0, 0.5, 0.1),
            piecewise_down=(0.0, 0.5, 1.5),
        ),
        (0.3, 0.12),
        (1.0, 0.4),
    ),
    # A = 0 makes both steps dw_min; the spread is 0.4 (0.01 + 0.02 + 0.1 * 0.3), over 0.01.
    "exp_step_with_all_parts": (
        quiet(
            ExpStep,
            dw_min_std=0.4,
            A_up=0.0,
            A_down=0.0,
            dw_min_std_add=0.02,
            dw_min_std_slope=0.1,
        ),
        (1.0, 2.4),
        (1.0, 2.4),
    ),
    "response_functions_additive": (
        quiet(
            ResponseFunctions,
            dw_min_std=0.4,
            q_up=lambda w: 1 - w,
            q_down=lambda w: 1 + w,
            mult_noise=False,
        ),
        (0.7, 0.4),
        (1.3, 0.4),
    ),
    "soft_bounds_additive_up_down": (
        quiet(SoftBounds, dw_min_std=0.4, mult_noise=False, up_down=0.2),
        (0.5, 0.4),
        (1.2, 0.32),
    ),
}


@pytest.mark.parametrize("name", PULSE_NOISE)
@pytest.mark.parametrize("direction", [1, -1])
def test_pulse_to_pulse_noise_follows_its_law(name, direction):
    device, up, down = PULSE_NOISE[name]
    cells = device.sample(KEY, SHAPE)
    w = jnp.full(SHAPE, 0.3)
    moved = device.apply_pulse(jax.random.key(12), cells, w, direction) - w
    mean, spread = up if direction > 0 else down
    assert follows(direction * moved / 0.01, stats.norm(mean, spread))


def test_no_pulse_moves_nothing_even_with_noise():
    device = quiet(dw_min_std=0.4)
    w = jax.random.uniform(KEY, SHAPE, minval=-0.6, maxval=0.6)
    direction = jnp.broadcast_to(jnp.array([0, 1]).repeat(100), SHAPE)
    moved = device.apply_pulse(KEY, device.sample(KEY, SHAPE), w, direction)
    np.testing.assert_array_equal(moved[:, :100], w[:, :100])
    assert np.mean(np.asarray(moved[:, 100:]) != np.asarray(w[:, 100:])) > 0.95


def stuck_cells(device, key=KEY):
    cells = device.sample(key, SHAPE)
    return cells, np.asarray(cells.w_max == cells.w_min)


def test_corrupt_devices_are_a_binomial_share_stuck_at_a_uniform_weight():
    device = quiet(corrupt_devices_prob=0.13, corrupt_devices_range=0.2)
    cells, stuck = stuck_cells(device)
    assert stats.binomtest(int(stuck.sum()), N, 0.13).pvalue > P_VALUE
    assert follows(np.asarray(cells.w_max)[stuck], stats.uniform(-0.2, 0.4))


def test_corrupt_devices_get_stuck_within_their_bounds():
    cells, stuck = stuck_cells(
        quiet(corrupt_devices_prob=0.5, corrupt_devices_range=0.5, w_max=0.1, w_min=-0.3)
    )
    assert follows(np.asarray(cells.w_max)[stuck], stats.uniform(-0.3, 0.4))


def test_stuck_crosspoints_keep_their_weight_where_symmetric_points_are_subtracted():
    fields = {"corrupt_devices_prob": 1.0, "corrupt_devices_range": 0.5}
    shifted = {"reference_std": 0.05, "subtract_symmetry_point": True}
    law = stats.uniform(-0.5, 1.0)
    expected = np.hypot(law.std(), 0.05)
    for device in (
        quiet(SoftBoundsReference, w_max=1.0, w_min=-1.0, **fields, **shifted),
        quiet(PowStepReference, w_max=1.0, w_min=-1.0, **fields, **shifted),
        ReferencePair(device=quiet(SoftBounds, w_max=1.0, w_min=-1.0, **fields), **shifted),
    ):
        cells = device.sample(KEY, SHAPE)
        w = device.program(cells, jnp.zeros(SHAPE))
        if isinstance(device, ReferencePair):  # Its reference is a stuck one, too.
            w, expected = w.plus, law.std()
        assert np.std(w) == pytest.approx(expected, rel=0.05)


def test_corrupt_devices_never_move_and_the_others_do():
    device = quiet(SoftBounds, corrupt_devices_prob=0.3, dw_min_std=0.3)
    cells, stuck = stuck_cells(device)
    w = device.program(cells, jnp.zeros(SHAPE))
    moved = w
    for step, direction in enumerate((1, 1, -1, 1)):
        moved = device.apply_pulse(jax.random.key(step), cells, moved, direction)
    changed = np.asarray(moved != w)
    assert not changed[stuck].any()
    assert changed[~stuck].all()


def test_all_devices_corrupt_is_a_matrix_that_cannot_be_programmed():
    device = quiet(corrupt_devices_prob=1.0)
    cells = device.sample(KEY, SHAPE)
    np.testing.assert_array_equal(
        device.program(cells, jnp.ones(SHAPE)), device.program(cells, -jnp.ones(SHAPE))
    )


def test_crossed_bounds_are_exchanged_and_folded_when_consistency_is_enforced():
    fields = {"w_max_dtod": 1.5, "w_min_dtod": 1.5, "dw_min_dtod": 1.5}
    cells = quiet(**fields).sample(KEY, SHAPE)
    assert (cells.w_max >= 0).all()
    assert (cells.w_min <= 0).all()
    assert (cells.step_up >= 0).all()
    raw = quiet(**fields, enforce_consistency=False).sample(KEY, SHAPE)
    alive = np.asarray(raw.w_max != raw.w_min)
    np.testing.assert_array_equal(np.abs(raw.step_up), cells.step_up)
    np.testing.assert_array_equal(np.abs(raw.w_max)[alive], np.asarray(cells.w_max)[alive])
    np.testing.assert_array_equal(-np.abs(raw.w_min)[alive], np.asarray(cells.w_min)[alive])


def test_crossed_bounds_make_a_dead_device_when_consistency_is_not_enforced():
    device = quiet(w_max_dtod=1.0, w_min_dtod=1.0, enforce_consistency=False)
    cells = device.sample(KEY, SHAPE)
    dead = np.asarray(cells.w_max == cells.w_min)
    # b+ - b- is normal with mean 1.2 and standard deviation 0.6 sqrt(2).
    share = stats.norm.cdf(-1.2 / (0.6 * np.sqrt(2)))
    assert stats.binomtest(int(dead.sum()), N, share).pvalue > P_VALUE
    # The midpoint is independent of the difference: normal, spread 0.6 / sqrt(2).
    assert follows(np.asarray(cells.w_max)[dead], stats.norm(0, 0.6 / np.sqrt(2)))
    w = device.program(cells, jnp.zeros(SHAPE))
    moved = device.apply_pulse(None, cells, w, 1)
    assert not np.asarray(moved != w)[dead].any()
