"""What holds for every device: bounds, memory, vmap, states, and clear errors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from device_table import DEVICES

from analogjax.devices import Cells, ConstantStep, PulsedDevice, SoftBounds, check_device

KEY = jax.random.key(5)
SHAPE = (8, 6)
RELATIVE_TO_THE_RANGE = ("PiecewiseStep", "PowStep", "PowStepReference")

every_device = pytest.mark.parametrize("name", DEVICES)


def make(name, **fields):
    return dataclasses.replace(DEVICES[name], **fields)


@pytest.mark.parametrize("enforce_consistency", [True, False])
@every_device
def test_cells_without_variation_take_no_memory_per_crosspoint(name, enforce_consistency):
    device = make(name, enforce_consistency=enforce_consistency).without_variation()
    assert all(leaf.shape == () for leaf in device.sample(KEY, SHAPE))


@pytest.mark.parametrize(
    ("field", "grown"),
    [
        ("w_max_dtod", {"w_max"}),
        ("w_min_dtod", {"w_min"}),
        ("dw_min_dtod", {"step_up", "step_down"}),
        ("up_down_dtod", {"step_up", "step_down"}),
        ("corrupt_devices_prob", set(Cells._fields)),
    ],
)
@every_device
def test_only_constants_that_vary_take_memory_per_crosspoint(name, field, grown):
    device = make(name).without_variation()
    device = dataclasses.replace(device, **{field: 0.1}, enforce_consistency=False)
    cells = device.sample(KEY, SHAPE)
    bounds = {"w_max", "w_min"}
    # Without consistency a bound that varies may cross the other, which then varies with it.
    grown = grown | bounds if grown & bounds else grown
    assert {part for part, leaf in cells._asdict().items() if leaf.shape == SHAPE} == grown


@every_device
def test_response_is_the_mean_pulse_in_units_of_the_granularity(name):
    device = make(name, dw_min=0.02, up_down=0.2).without_variation()
    cells = device.sample(KEY, SHAPE)
    w = jax.random.uniform(KEY, SHAPE, minval=-0.5, maxval=0.5)
    q_up, q_down = device.response(cells, w)
    step_up = device.apply_pulse(None, cells, w, 1) - w
    step_down = device.apply_pulse(None, cells, w, -1) - w
    np.testing.assert_allclose(device.granularity * q_up, step_up, rtol=1e-4)
    np.testing.assert_allclose(-device.granularity * q_down, step_down, rtol=1e-4)


@every_device
def test_direction_broadcasts_with_the_weights(name):
    device = make(name).without_variation()
    cells = device.sample(KEY, SHAPE)
    w = jax.random.uniform(KEY, SHAPE, minval=-0.5, maxval=0.5)
    row = jnp.array([1, 0, -1, 1, 0, -1])
    np.testing.assert_array_equal(
        device.apply_pulse(None, cells, w, row),
        device.apply_pulse(None, cells, w, jnp.broadcast_to(row, SHAPE)),
    )


@every_device
def test_vmap_over_every_number_equals_a_loop_and_compiles_once(name):
    base = make(name, dw_min_std=0.1, corrupt_devices_prob=0.1)

    def sweep(factors):
        return jax.tree.map(lambda leaf: leaf * factors, base)

    def pulse(device):
        cells = device.sample(KEY, SHAPE)
        w = device.program(cells, jnp.full(SHAPE, 0.1))
        return cells, device.apply_pulse(KEY, cells, w, 1), device.n_states

    together = jax.jit(jax.vmap(pulse))
    together(sweep(jnp.array([0.7, 0.8])))
    swept = sweep(jnp.array([0.5, 1.4]))
    got = together(swept)
    assert together._cache_size() == 1
    for i in range(2):
        one = pulse(jax.tree.map(lambda leaf: leaf[i], swept))  # noqa: B023
        for expected, leaf in zip(jax.tree.leaves(one), jax.tree.leaves(got), strict=True):
            np.testing.assert_allclose(leaf[i], expected, rtol=1e-5, atol=1e-6)


def with_states(name, n, **fields):
    """``cls.with_states`` with the fields in which the device of the table is not the default."""
    example = DEVICES[name]
    shape = {f.name: getattr(example, f.name) for f in dataclasses.fields(example)
             if not hasattr(PulsedDevice, f.name)}  # fmt: skip
    return type(example).with_states(n, **{**shape, **fields})


@pytest.mark.parametrize("n", [2, 10, 1200])
@every_device
def test_with_states_makes_a_device_with_that_many_states(name, n):
    device = with_states(name, n, w_max=0.8, w_min=-0.4, dw_min_std=0.7)
    assert device.n_states == pytest.approx(n)
    assert (device.w_max, device.w_min, device.dw_min_std) == (0.8, -0.4, 0.7)


@pytest.mark.parametrize("n", [1, 0, -4, 1.5, float("nan")])
def test_with_states_refuses_fewer_than_two(n):
    with pytest.raises(ValueError, match=f"at least 2 states, got {n}"):
        SoftBounds.with_states(n)


BAD_FIELDS = [
    ("dw_min", 0.0),
    ("dw_min", -0.01),
    ("w_max", -0.1),
    ("w_min", 0.1),
    ("dw_min_dtod", -0.3),
    ("w_max_dtod", -0.3),
    ("w_min_dtod", -0.3),
    ("up_down_dtod", -0.01),
    ("dw_min_std", -1.0),
    ("corrupt_devices_prob", 1.5),
    ("corrupt_devices_prob", -0.5),
    ("corrupt_devices_range", -0.5),
    ("up_down", 1.0),
    ("up_down", -1.5),
    ("dw_min", float("inf")),
    *((field.name, float("nan")) for field in dataclasses.fields(ConstantStep)
      if field.type is not bool),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_field_out_of_range_is_named_with_its_value(field, value):
    for name in DEVICES:
        device = make(name, **{field: value})
        for use in (check_device, lambda device: device.sample(KEY, SHAPE)):
            with pytest.raises(ValueError, match=rf"{name}\.{field} must .*, got {value}\."):
                use(device)


@pytest.mark.parametrize("kind", [int, np.float32, np.array, jnp.float32])
def test_field_of_any_kind_of_number_is_checked(kind):
    with pytest.raises(ValueError, match=r"dw_min must be positive, got -2"):
        check_device(ConstantStep(dw_min=kind(-2)))


def test_one_bad_value_in_a_swept_field_is_found():
    with pytest.raises(ValueError, match="dw_min must be positive"):
        check_device(ConstantStep(dw_min=jnp.array([0.1, -0.1])))


@every_device
def test_default_and_traced_devices_pass_the_checks(name):
    check_device(DEVICES[name])
    jax.jit(lambda dw_min: (check_device(make(name, dw_min=dw_min)), dw_min)[1])(-1.0)
    assert SoftBounds().mult_noise  # a static field, which no check looks at


@every_device
def test_only_a_device_whose_steps_are_relative_to_its_range_needs_bounds(name):
    unbounded = make(name, w_max=float("inf"), w_min=-float("inf"))
    if name in RELATIVE_TO_THE_RANGE:
        with pytest.raises(ValueError, match=rf"{name}\.w_max must be finite.*got inf"):
            check_device(unbounded)
    else:
        check_device(unbounded)
