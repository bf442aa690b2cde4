"""What no parameters and no pulses may break, searched for with random devices."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from device_table import DEVICES
from hypothesis import given, settings
from hypothesis import strategies as st

from analogjax.devices import (
    Device,
    ExpStep,
    LinearStep,
    PowStep,
    ResponseFunctions,
    SoftBoundsReference,
    exponential_response,
    power_response,
)

KEY = jax.random.key(0)
POINTS = (8, 6)
RANGES = {
    "dw_min": (1e-4, 1.0),
    "dw_min_std": (0.0, 3.0),
    "w_max": (0.0, 1.0),
    "w_min": (-1.0, 0.0),
    "up_down": (-0.9, 0.9),
    "pow_up_down": (-0.9, 0.9),
    "corrupt_devices_prob": (0.0, 1.0),
    "pow_gamma": (0.0, 4.0),
    "A_up": (-2.0, 2.0),
    "A_down": (-2.0, 0.9),
    "a": (-1.5, 1.5),
    "piecewise_up": (0.1, 2.0),
    "piecewise_down": (0.0, 2.0),
}
SATURATING = {
    **{name: DEVICES[name] for name in ("PowStep", "SoftBounds")},
    "SoftBoundsReference": SoftBoundsReference(
        slope_up_dtod=0.1, slope_down_dtod=0.1, reference_std=0.1, subtract_symmetry_point=True
    ),
    "power": dataclasses.replace(power_response(2.0, 0.6), w_max_dtod=0.0, w_min_dtod=0.0),
    "exponential": dataclasses.replace(
        exponential_response(2.0, 0.6), w_max_dtod=0.0, w_min_dtod=0.0
    ),
}
PROPERTIES = {**DEVICES, "SoftBoundsReference": SATURATING["SoftBoundsReference"]}

quick = settings(deadline=None, max_examples=15, derandomize=True, database=None)
seeds = st.integers(0, 2**31 - 1)


def devices(base, fields=None):
    """Devices like ``base``, with the given fields (by default all) anywhere in their ranges."""

    def numbers(field):
        low, high = RANGES.get(field.name, (0.0, 1.5))
        value = getattr(base, field.name)
        one = st.floats(low, high, allow_subnormal=False)
        return st.tuples(*[one] * len(value)) if isinstance(value, tuple) else one

    return st.builds(
        functools.partial(dataclasses.replace, base),
        **{
            field.name: numbers(field)
            for field in dataclasses.fields(base)
            if not field.metadata.get("static") and (fields is None or field.name in fields)
        },
    )


def sample(device, key):
    """Cells of which every constant is an array, so that functions of them compile once."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, POINTS), device.sample(key, POINTS))


# Without consistency, where steps and exponents may be negative and ranges far from zero.
INCONSISTENT = {
    f"{name} without consistency": dataclasses.replace(PROPERTIES[name], enforce_consistency=False)
    for name in ("ConstantStep", "ExpStep", "PowStep", "SoftBoundsReference")
}


@pytest.mark.parametrize("name", {**PROPERTIES, **INCONSISTENT})
def test_no_pulses_leave_the_bounds_or_move_a_corrupt_cell(name):
    @jax.jit
    def run(device, cells, start, directions, xi):
        def pulse(w, inputs):
            w = device.pulse(cells, w, *inputs)
            return w, w

        return jax.lax.scan(pulse, start, (directions, xi))[1]

    @quick
    @given(devices({**PROPERTIES, **INCONSISTENT}[name]), seeds, st.floats(0.0, 1.0))
    def check(device, seed, share_up):
        key = jax.random.key(seed)
        cells = sample(device, key)
        start = device.program(cells, jax.random.normal(key, POINTS))
        rest, up = jax.random.uniform(key, (2, 30, *POINTS))
        directions = jnp.where(rest < 0.1, 0, jnp.where(up < share_up, 1, -1))
        xi = jax.random.normal(key, (30, *POINTS))
        path = np.asarray(run(device, cells, start, directions, xi))
        assert np.isfinite(path).all()
        assert np.all((path >= cells.w_min) & (path <= cells.w_max))
        stuck = np.asarray(cells.w_max == cells.w_min)
        np.testing.assert_array_equal(path[:, stuck], np.tile(start[stuck], (30, 1)))

    check()
    assert run._cache_size() == 1


COMMON = ("dw_min", "dw_min_dtod", "up_down", "up_down_dtod", "w_max_dtod", "w_min_dtod")


@pytest.mark.parametrize("name", {**SATURATING, **PROPERTIES})
def test_steps_are_equal_at_the_symmetric_point_or_push_against_a_bound(name):
    find = jax.jit(lambda device, cells: device.symmetric_point(cells))

    @quick
    @given(devices({**SATURATING, **PROPERTIES}[name], COMMON), seeds)
    def check(device, seed):
        cells = sample(device, jax.random.key(seed))
        w = find(device, cells)
        up, down = map(np.asarray, device.steps(cells, w))
        equal = np.isclose(up, down, rtol=1e-2, atol=1e-4 * device.dw_min)
        margin = 1e-5 * (cells.w_max - cells.w_min)
        at_top = (up > down) & (w >= cells.w_max - margin)
        at_bottom = (up < down) & (w <= cells.w_min + margin)
        assert np.all(equal | at_top | at_bottom)

    check()


@pytest.mark.parametrize("name", SATURATING)
def test_steps_vanish_at_the_bounds_they_lead_to(name):
    fields = ("dw_min", "dw_min_dtod", "up_down", "up_down_dtod", "corrupt_devices_prob")

    @quick
    @given(devices(SATURATING[name], fields), seeds)
    def check(device, seed):
        cells = sample(device, jax.random.key(seed))
        for step in (device.steps(cells, cells.w_max)[0], device.steps(cells, cells.w_min)[1]):
            assert np.abs(step).max() <= 1e-6 * device.dw_min

    check()


@pytest.mark.parametrize("name", PROPERTIES)
def test_gradients_flow_through_responses_and_pulses(name):
    device = dataclasses.replace(PROPERTIES[name], dw_min=0.05)
    cells = device.sample(jax.random.key(8), POINTS)
    direction = jnp.where(jnp.arange(48).reshape(POINTS) % 2 == 0, 1, -1)
    # Away from the bounds and from the nodes of the piecewise device, where curves bend.
    w = jnp.linspace(0.25, 0.75, 48).reshape(POINTS) * cells.w_max

    def function(device, cells, w):
        q_up, q_down = device.response(cells, w)
        return q_up + 0.5 * q_down + device.pulse(cells, w, direction, jnp.zeros(POINTS))

    @jax.jit
    def slopes(device, cells, w):
        gradients = jax.grad(lambda *at: jnp.sum(function(*at)), argnums=(0, 1, 2))
        h = 1e-3
        by_w = (function(device, cells, w + h) - function(device, cells, w - h)) / (2 * h)
        return *gradients(device, cells, w), by_w

    by_device, by_cells, by_w, difference = slopes(device, cells, w)
    np.testing.assert_allclose(by_w, difference, rtol=1e-2, atol=1e-2)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((by_device, by_cells)))
    assert np.all(by_cells.step_up != 0)


def test_gradients_flow_through_the_drawing_of_crosspoints():
    @jax.jit
    @jax.grad
    def gradient(device):
        cells = device.sample(jax.random.key(8), POINTS)
        return jnp.sum(device.pulse(cells, 0.3 * cells.w_max, 1, jnp.zeros(POINTS)))

    found = gradient(PROPERTIES["SoftBoundsReference"])
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(found))
    assert found.dw_min != 0


@pytest.mark.parametrize("device", [PowStep(), ExpStep()])
def test_the_symmetric_point_has_the_derivative_of_the_solution(device):
    def point(up_down):
        mean = dataclasses.replace(device.without_variation(), up_down=up_down)
        return mean.symmetric_point(mean.sample(KEY, ()))

    slope, solve = jax.jit(jax.grad(point))(0.3), jax.jit(point)
    assert float((solve(0.31) - solve(0.29)) / 0.02) == pytest.approx(float(slope), rel=1e-2)


def test_steps_that_grow_lead_away_from_where_they_would_be_equal_beyond_a_bound():
    device = LinearStep(
        gamma_up=-0.1, gamma_down=-0.1, allow_increasing=True, up_down=0.5, dw_min=0.01,
        w_max=1.0, w_min=-1.0,
    ).without_variation()  # fmt: skip
    cells = device.sample(KEY, ())
    assert float(device.symmetric_point(cells)) == 1.0
    assert float(Device.symmetric_point(device, cells)) == pytest.approx(1.0)


def test_the_symmetric_point_without_bounds_and_without_a_slope():
    free = {"w_max": np.inf, "w_min": -np.inf}
    sloped = ResponseFunctions(q_up=lambda w: 1.3 - w, q_down=lambda w: 0.7 + w, **free)
    flat = ResponseFunctions(q_up=lambda w: 1.0 + 0 * w, q_down=lambda w: 1.0 + 0 * w, **free)
    for device, wanted in ((sloped, 0.3), (flat, 0.0)):
        mean = device.without_variation()
        found = float(mean.symmetric_point(mean.sample(KEY, ())))
        assert found == pytest.approx(wanted, abs=1e-6)
