"""What is particular to one model: its granularity, its limits, and its errors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from device_table import DEVICES

from analogjax import presets
from analogjax.devices import (
    Cells,
    ExpStep,
    Ideal,
    LinearStep,
    OneSidedPair,
    PiecewiseStep,
    PowStep,
    PowStepReference,
    ReferencePair,
    ResponseFunctions,
    SoftBounds,
    SoftBoundsReference,
    VectorCell,
    check_device,
    exponential_response,
    power_response,
)
from analogjax.pulses import BatchedPulses, CoincidencePulses, ExpectedPulses

KEY = jax.random.key(3)
SHAPE = (8, 6)
W = jnp.linspace(-0.9, 0.9, 19)


def responses(device, w=W):
    return np.stack(device.response(device.sample(KEY, ()), w))


@pytest.mark.parametrize(
    ("device", "granularity"),
    [
        (LinearStep(dw_min=0.02, gamma_up=0.5), 0.02),
        (SoftBoundsReference(dw_min=0.02), 0.02),
        (PowStep(dw_min=0.02, pow_gamma=3.0), 0.0025),
        (PowStepReference(dw_min=0.02, pow_gamma=0.5), 0.0141421),
        (PiecewiseStep(dw_min=0.02, piecewise_up=(2, 1.5, 9), piecewise_down=(1, 1, 1)), 0.03),
        (PiecewiseStep(dw_min=0.02, piecewise_up=(2, 0), piecewise_down=(0, 2)), 0.02),
        (power_response(3.0, 1.0, dw_min=0.02), 0.02),
        (presets.reram_es(), 0.00199),
        (presets.pcm(), 0.03235),
    ],
)
def test_granularity_is_the_step_where_the_pulse_generator_measures_it(device, granularity):
    assert float(device.granularity) == pytest.approx(granularity, rel=2e-3)
    assert float(device.n_states) == pytest.approx((device.w_max - device.w_min) / granularity,
                                                   rel=2e-3)  # fmt: skip


def test_power_response_is_the_power_step_in_units_of_its_granularity():
    same = {"w_max": 0.8, "w_min": -0.8}
    step = PowStep(pow_gamma=3.0, **same).without_variation()
    response = power_response(3.0, 0.8).without_variation()
    w = jnp.linspace(-0.8, 0.8, 9)
    np.testing.assert_allclose(responses(step, w), responses(response, w), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(responses(response, 0.4), [0.125, 3.375], rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 4.0])
def test_exponential_response_follows_its_formula_and_nears_soft_bounds(gamma):
    device = exponential_response(gamma, 1.2).without_variation()
    up, down = responses(device)
    both = [(np.exp(gamma * (1 - sign * W / 1.2)) - 1) / (np.exp(gamma) - 1) for sign in (1, -1)]
    np.testing.assert_allclose([up, down], both, rtol=1e-4)
    np.testing.assert_allclose(responses(device, 0.0), 1, rtol=1e-6)
    flat = exponential_response(1e-3, 1.2).without_variation()
    soft = SoftBounds(w_max=1.2, w_min=-1.2).without_variation()
    np.testing.assert_allclose(responses(flat), responses(soft), rtol=2e-3)


@pytest.mark.parametrize("span", [(-1.0, 1.0), (-0.3, 0.9), (-0.9, 0.3)])
def test_soft_bounds_given_by_pulses_follow_their_curves(span):
    low, high = span
    device = SoftBounds.with_pulses(100, 0.01, range_min=low, range_max=high).without_variation()
    cells = device.sample(KEY, ())

    def train(direction, start):
        def pulse(w, _):
            w = device.apply_pulse(None, cells, w, direction)
            return w, w

        return jax.jit(lambda w: jax.lax.scan(pulse, w, length=100)[1])(jnp.float32(start))

    size = (high - low) * (1 - np.exp(-0.01 * np.arange(1, 101))) / (1 - np.exp(-1.0))
    np.testing.assert_allclose(train(1, low), low + size, atol=2e-5)
    np.testing.assert_allclose(train(-1, high), high - size, atol=2e-5)


@pytest.mark.parametrize("make", [power_response, exponential_response])
def test_responses_vmap_over_their_parameters(make):
    tau = jnp.array([0.5, 1.0, 2.0])
    swept = jax.vmap(lambda tau: make(2.0, tau).without_variation().response(
        make(2.0, tau).without_variation().sample(KEY, ()), 0.25 * tau))(tau)  # fmt: skip
    np.testing.assert_allclose(swept[0], swept[0][0], rtol=1e-5)
    assert 0 < swept[0][0] < 1 < swept[1][0]


@pytest.mark.parametrize("make", [power_response, exponential_response])
def test_responses_refuse_a_parameter_that_is_not_positive(make):
    with pytest.raises(ValueError, match=r"tau must be positive, got -1\.0"):
        make(2.0, -1.0)
    with pytest.raises(ValueError, match=r"gamma must be positive, got 0\.0"):
        make(0.0, 1.0)


def test_soft_bounds_are_the_linear_step_that_ends_at_its_own_bounds():
    varied = {"w_max_dtod": 0.3, "w_min_dtod": 0.3, "dw_min": 0.05}
    soft, linear = SoftBounds(**varied), LinearStep(
        gamma_up=1.0, gamma_down=1.0, gamma_up_dtod=0.0, gamma_down_dtod=0.0,
        mean_bound_reference=False, **varied,
    )  # fmt: skip
    key, shape = KEY, SHAPE
    w = soft.program(soft.sample(key, shape), jax.random.normal(key, shape))
    for one, other in zip(soft.steps(soft.sample(key, shape), w),
                          linear.steps(linear.sample(key, shape), w), strict=True):  # fmt: skip
        np.testing.assert_array_equal(one, other)


def test_slopes_of_the_linear_step_refer_to_the_mean_bounds_by_default():
    device = dataclasses.replace(
        LinearStep(gamma_up=0.5, w_max=0.8).without_variation(), w_max_dtod=0.3
    )
    q_up, _ = device.response(device.sample(KEY, SHAPE), jnp.full(SHAPE, 0.4))
    np.testing.assert_allclose(q_up, 0.75, rtol=1e-6)


@pytest.mark.parametrize(("plain", "referenced"), [(SoftBounds, SoftBoundsReference),
                                                   (PowStep, PowStepReference)])  # fmt: skip
def test_a_reference_shifts_the_weight_and_nothing_else(plain, referenced):
    fields = {"dw_min": 0.05, "up_down": 0.2, "w_max": 0.9, "w_min": -0.7}
    plain = plain(**fields).without_variation()
    referenced = referenced(reference_mean=0.25, **fields).without_variation()
    w = jnp.linspace(-0.7, 0.9, 9)
    np.testing.assert_allclose(responses(referenced, w - 0.25), responses(plain, w), atol=1e-6)
    cells = referenced.sample(KEY, ())
    np.testing.assert_allclose([cells.w_min, cells.w_max], [-0.95, 0.65], rtol=1e-6)


def test_piecewise_steps_pass_through_their_nodes_at_each_crosspoint_s_own_bounds():
    up, down = jnp.array([2.0, 0.5, 1.0, 0.25]), jnp.array([0.1, 1.0, 3.0, 4.0])
    mean = PiecewiseStep(piecewise_up=up, piecewise_down=down).without_variation()
    device = dataclasses.replace(mean, w_max_dtod=0.2, w_min_dtod=0.2)
    cells = device.sample(KEY, SHAPE)
    for node in range(4):
        w = cells.w_min + node / 3 * (cells.w_max - cells.w_min)
        for step, nodes in zip(device.steps(cells, w), (up, down), strict=True):
            np.testing.assert_allclose(step / device.dw_min, nodes[node], rtol=1e-4)


def test_exp_step_never_steps_backwards():
    device = ExpStep(a=1.0, b=0.1, w_max=1.0, w_min=-1.0).without_variation()
    up, down = responses(device)
    assert up.min() == down.min() == 0
    assert up.max() > 0.9


def test_exp_step_stays_finite_in_a_narrow_range_far_from_zero():
    cells = Cells(*(jnp.asarray(value) for value in (0.1, 0.1, 0.501, 0.5)))
    device = ExpStep(A_up=-2.0, a=1.0)
    moved = device.pulse(cells, jnp.full(2, 0.5), 1, jnp.array([-5.0, 5.0]))
    np.testing.assert_allclose(moved, [0.5, 0.501])


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (SoftBounds(dw_min="0.1"), "SoftBounds.dw_min must be a number or an array, got '0.1'"),
        (SoftBounds(dw_min=1j), "SoftBounds.dw_min must be a number or an array, got 1j"),
        (ResponseFunctions(q_up=1.0, q_down=jnp.exp), "q_up must be a function of the weight"),
        (OneSidedPair(device=Ideal()), "OneSidedPair is made of devices .* got Ideal"),
        (ReferencePair(device=OneSidedPair(device=SoftBounds())), "ReferencePair .* OneSidedPair"),
        (VectorCell(devices=(SoftBounds(), Ideal())), "VectorCell is made of .* got Ideal"),
    ],
)
def test_devices_of_the_wrong_kind_of_part_are_refused(device, said):
    with pytest.raises(TypeError, match=said):
        device.sample(KEY, (2, 2))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SoftBounds.with_pulses(100, 0.0), "alpha must be a finite positive number, got 0"),
        (lambda: SoftBounds.with_pulses(0, 0.1), "p_max must be a finite positive number, got 0"),
        (lambda: SoftBounds.with_pulses(range_min=0.5), "on either side of 0, got 0.5 and 1"),
        (lambda: exponential_response(50.0, 1.0), "gamma must be at most 40"),
        (lambda: SoftBounds.with_states(np.array([4, 1])), "at least 2 states"),
    ],
)
def test_makers_of_devices_say_what_they_cannot_make(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_functions_of_the_weight_are_the_responses():
    device = ResponseFunctions(q_up=jnp.cos, q_down=jnp.exp, dw_min=0.05, up_down=0.2)
    q_up, q_down = responses(device.without_variation())
    np.testing.assert_allclose(q_up, np.cos(W), rtol=1e-5)
    np.testing.assert_allclose(q_down, 0.8 * np.exp(W), rtol=1e-5)


OWN_FIELDS = [
    (LinearStep, "gamma_up", -0.1, "at least 0 unless allow_increasing"),
    (LinearStep, "gamma_down_dtod", -0.1, "at least 0"),
    (SoftBoundsReference, "reference_std", -0.1, "at least 0"),
    (SoftBoundsReference, "slope_up_dtod", -0.1, "at least 0"),
    (SoftBoundsReference, "reference_mean", float("nan"), "a finite number"),
    (ExpStep, "dw_min_std_slope", -0.1, "at least 0"),
    (ExpStep, "dw_min_std_add", -0.1, "at least 0"),
    (ExpStep, "A_up", float("inf"), "a finite number"),
    (PowStep, "pow_gamma", -1.0, "at least 0"),
    (PowStep, "pow_up_down", 1.0, "lie between -1 and 1"),
    (PiecewiseStep, "piecewise_up", (-1.0,), "at least 0"),
    (PiecewiseStep, "piecewise_down", (1.0, float("nan")), "a finite number"),
    (PiecewiseStep, "piecewise_up", (1.0, 1.0), r"as many nodes, at least one"),
]


@pytest.mark.parametrize(("cls", "field", "value", "rule"), OWN_FIELDS)
def test_own_field_out_of_range_is_named(cls, field, value, rule):
    with pytest.raises(ValueError, match=rf"{cls.__name__}\.{field}.* must .*{rule}.*got"):
        cls(**{field: value}).sample(KEY, (2, 2))


def test_a_device_without_a_step_to_count_in_is_refused():
    with pytest.raises(ValueError, match=r"ExpStep\.granularity.* must be positive, got 0"):
        check_device(ExpStep(A_down=2.0, b=0.0))
    check_device(LinearStep(gamma_up=-0.1, allow_increasing=True))


X = jax.random.uniform(jax.random.key(1), (2, 3), minval=0.5, maxval=1.0)
D = jax.random.uniform(jax.random.key(2), (2, 2), minval=-1.0, maxval=-0.5)


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_moves_down_the_gradient_under_every_scheme(name):
    device = dataclasses.replace(DEVICES[name], dw_min=0.004).without_variation()
    schemes = (CoincidencePulses(), BatchedPulses(), ExpectedPulses())

    cells = device.sample(KEY, (3, 2))

    @jax.jit
    def moves(device, cells, key):
        w = jnp.zeros((3, 2))
        return [scheme.apply(key, device, cells, w, X, D, 0.1) for scheme in schemes]

    # Steps shrink by up to a quarter on the way; the spread of the counts is below 0.03.
    for moved in moves(device, cells, KEY):
        np.testing.assert_allclose(moved, -0.1 * X.T @ D, rtol=0.3, atol=0.1)
        assert np.all(moved > 0)
