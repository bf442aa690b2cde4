"""What every pulse scheme hands back agrees with itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.devices import ConstantStep
from analogjax.pulses import BatchedPulses, CoincidencePulses, Sent

KEY = jax.random.key(5)
SHAPE = (64, 48)  # Large enough for the default to list.
STEP = 0.001


def parts():
    device = ConstantStep(dw_min=STEP, w_max=90.0, w_min=-90.0).without_variation()
    key_x, key_d = jax.random.split(KEY)
    x, d = jax.random.normal(key_x, (4, SHAPE[0])), jax.random.normal(key_d, (4, SHAPE[1]))
    return device, device.sample(KEY, SHAPE), jnp.zeros(SHAPE), x, d


def check(sent):
    up, down = np.asarray(sent.up), np.asarray(sent.down)
    assert up.min() >= 0
    assert down.min() >= 0
    np.testing.assert_array_equal(sent.total, [up.sum(), down.sum()])
    np.testing.assert_allclose(sent.w, STEP * (up - down), atol=1e-5)


@pytest.mark.parametrize("rate", [0.02 * STEP, 5 * STEP])
@pytest.mark.parametrize("scheme", [BatchedPulses(), CoincidencePulses()])
def test_weights_have_moved_by_the_pulses_that_are_reported(scheme, rate):
    """Few pulses and many, which the default lists and counts."""
    device, *rest = parts()
    sent = jax.jit(lambda: scheme.send(KEY, device, *rest, rate))()
    assert min(sent.total) > 50
    check(sent)


@pytest.mark.parametrize("size", [0.05 * STEP, 5 * STEP])
def test_pulses_of_an_increment_are_reported_alike(size):
    device, cells, w, *_ = parts()
    increment = size * jax.random.normal(KEY, SHAPE)
    sent = jax.jit(lambda: BatchedPulses().send_increment(KEY, device, cells, w, increment))()
    assert min(sent.total) > 50
    check(sent)


def test_the_default_sends_the_pulses_of_the_exact_scheme_while_they_are_few():
    device, *rest = parts()
    rate = 0.02 * STEP
    by_default, exact = (
        jax.jit(lambda scheme=scheme: scheme.send(KEY, device, *rest, rate))()
        for scheme in (BatchedPulses(), CoincidencePulses())
    )
    jax.tree.map(np.testing.assert_array_equal, by_default, exact)


def test_a_total_beyond_int32_is_still_the_sum():
    number = jnp.full((3000, 2), 10**6, jnp.int32)
    total = jax.jit(lambda: Sent.summed(None, number, number + 1))().total
    np.testing.assert_allclose(total, [6e9, 6e9 + 6e3], rtol=1e-6)
