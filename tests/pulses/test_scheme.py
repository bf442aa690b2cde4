"""What pulse schemes take: any kind of numbers, but no shapes or lengths that do not fit."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.devices import ConstantStep, Ideal, OneSidedPair, VectorCell
from analogjax.pulses import BatchedPulses, CoincidencePulses, ExpectedPulses

KEY = jax.random.key(4)
DEVICE = ConstantStep(dw_min=0.01, w_max=9.0, w_min=-9.0).without_variation()
CELLS = DEVICE.sample(KEY, (3, 2))
W = np.zeros((3, 2))
# Numbers that every type holds.
X, D = np.array([[1, 2, 0], [0, 1, 1]]), np.array([[1, 0], [1, 1]])
SCHEMES = [
    BatchedPulses(),
    CoincidencePulses(),
    CoincidencePulses(pulse_type="mean_count"),
    ExpectedPulses(),
    ExpectedPulses(desired_bl=31),
]
every_scheme = pytest.mark.parametrize("scheme", SCHEMES, ids=str)


@functools.cache
def moved(scheme, dtype):
    """Weights after an update of which everything but the rate is of one type."""
    parts = (jnp.asarray(part, dtype) for part in (W, X, D))
    return jax.jit(lambda *parts: scheme.apply(KEY, DEVICE, CELLS, *parts, 0.05))(*parts)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.int32])
@every_scheme
def test_numbers_of_any_type_do_as_float32(scheme, dtype):
    assert moved(scheme, jnp.float32).any()
    np.testing.assert_array_equal(moved(scheme, dtype), moved(scheme, jnp.float32))


@every_scheme
def test_double_precision_around_a_scheme_changes_nothing_in_it(scheme):
    with jax.enable_x64(True):
        wide = moved(scheme, jnp.float64)
    assert wide.dtype == jnp.float32
    np.testing.assert_array_equal(wide, moved(scheme, jnp.float32))


def test_an_increment_in_double_precision_does_as_in_single():
    def moved(dtype):
        wanted = jnp.asarray(0.025 * X, dtype).T
        send = BatchedPulses().send_increment
        return jax.jit(lambda wanted: send(KEY, DEVICE, CELLS, 0 * wanted, wanted).w)(wanted)

    expected = moved(jnp.float32)
    assert expected.any()
    with jax.enable_x64(True):
        np.testing.assert_array_equal(moved(jnp.float64), expected)


@pytest.mark.parametrize(
    "device",
    [VectorCell(devices=(DEVICE, DEVICE), update_policy="in_turn"), OneSidedPair(device=DEVICE)],
    ids=str,
)
def test_conductances_keep_their_own_types(device):
    cells = device.sample(KEY, (3, 2))
    w = device.program(cells, jnp.zeros((3, 2)))
    after = jax.eval_shape(lambda w: BatchedPulses().apply(KEY, device, cells, w, X, D, 0.05), w)
    kinds = [jax.tree.map(lambda leaf: leaf.dtype, part) for part in (w, after)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("device", [DEVICE, Ideal()], ids=["pulsed", "ideal"])
@pytest.mark.parametrize(
    ("x", "d"),
    [
        ((2, 2), (2, 3)),  # Weights given as (out, in).
        ((2, 4), (2, 2)),
        ((2, 3), (1, 2)),
        ((2, 3), (2, 4)),
        ((3, 3), (3, 1)),  # Two groups of columns.
        ((3,), (2,)),
        ((1, 2, 3), (1, 2, 2)),
        ((2, 3), (2, 0)),
    ],
)
def test_shapes_that_do_not_fit(device, x, d):
    cells = device.sample(KEY, (3, 2))
    message = f"x {x} and d {d} do not fit weights of shape (3, 2): give w as (in, out)"
    with pytest.raises(ValueError, match=re.escape(message)):
        BatchedPulses().apply(KEY, device, cells, W, jnp.ones(x), jnp.ones(d), 0.1)


@pytest.mark.parametrize("scheme", [BatchedPulses, CoincidencePulses, ExpectedPulses])
@pytest.mark.parametrize("length", [0, -3, 2.5, True, "31"])
def test_length_that_no_train_has(scheme, length):
    pulses = scheme(desired_bl=length)
    message = rf"{scheme.__name__}\.desired_bl.* must be a Python int .* got {length!r}\."
    with pytest.raises(ValueError, match=message):
        pulses.apply(KEY, DEVICE, CELLS, W, X, D, 0.1)
    with pytest.raises(ValueError, match=message):
        pulses.send_increment(KEY, DEVICE, CELLS, W, W)


def test_pulse_type_that_there_is_not():
    pulses = CoincidencePulses(pulse_type="random")
    with pytest.raises(ValueError, match=r"pulse_type must be one of stochastic, .*, got 'random'"):
        pulses.apply(KEY, DEVICE, CELLS, W, X, D, 0.1)
