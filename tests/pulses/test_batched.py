"""Counts drawn for a whole mini-batch at once, against closed forms and the exact bit trains."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import (
    SIGMAS,
    batch_moments,
    line_probabilities,
    mean_score,
    shuffled,
    two_sample_score,
)
from scipy import stats

from analogjax.devices import ConstantStep, SoftBounds
from analogjax.pulses import BatchedPulses, CoincidencePulses

REPEATS = 10_000


@functools.partial(jax.jit, static_argnames=("pulses", "device"))
def send_many(pulses, device, cells, w, x, d, rate):
    """Independent updates; x and d may hold a mini-batch of its own for each of them."""

    def send(key, x, d):
        return pulses.send(key, device, cells, w, x, d, rate)

    axis = 0 if x.ndim == 3 else None
    keys = jax.random.split(jax.random.key(2), REPEATS)
    return jax.vmap(send, in_axes=(0, axis, axis))(keys, x, d)


def fine_device(shape):
    device = ConstantStep(dw_min=0.001, w_max=9.0, w_min=-9.0).without_variation()
    return device, device.sample(jax.random.key(0), shape), jnp.zeros(shape)


@pytest.mark.parametrize("desired_bl", [10, 31])
@pytest.mark.parametrize("bl_management", [True, False])
def test_counts_of_a_single_vector_are_binomial(desired_bl, bl_management):
    settings = (desired_bl, bl_management, bl_management)
    pulses = BatchedPulses(
        desired_bl=desired_bl,
        update_management=bl_management,
        update_bl_management=bl_management,
    )
    x, d = np.array([[1.0, -0.9, 0.5, 0.1]]), np.array([[1.0, -0.7, 0.05]])
    # 0.9 and then 1.5 wanted pulses a slot: without management the second clips lines at 1.
    for load in (0.9, 1.5):
        rate = load * desired_bl * 0.001
        sent = send_many(pulses, *fine_device((4, 3)), x, d, rate)
        counts = np.asarray(sent.up + sent.down)
        assert not (np.asarray(sent.up) * np.asarray(sent.down)).any()
        px, pd, bl = line_probabilities(x[0], d[0], rate, 0.001, *settings)
        assert np.outer(px, pd).max() > 0.5
        for j, i in np.ndindex(4, 3):
            law = stats.binom(bl, px[j] * pd[i])
            expected = law.pmf(np.arange(bl + 1))
            seen = np.bincount(counts[:, j, i], minlength=bl + 1)
            assert len(seen) == bl + 1
            common = expected * REPEATS > 5
            assert seen[expected < 1e-12].sum() == 0
            table = [seen[common], expected[common] * REPEATS]
            # What is too rare for the law of chi-square counts with the rarest that is not.
            rest = [seen[~common].sum(), expected[~common].sum() * REPEATS]
            for part, more in zip(table, rest, strict=True):
                part[-1] += more
            if len(table[0]) > 1:
                assert stats.chisquare(*table).pvalue > 1e-5


def batch(samples=6):
    key_x, key_d = jax.random.split(jax.random.key(4))
    return jax.random.normal(key_x, (samples, 4)), jax.random.normal(key_d, (samples, 3))


@pytest.mark.parametrize(
    ("pulses", "rate"),
    [
        *((BatchedPulses(), rate) for rate in (0.0005, 0.004, 0.02)),
        (CoincidencePulses(), 0.004),
        pytest.param(CoincidencePulses(), 0.0005, marks=pytest.mark.slow),
        pytest.param(CoincidencePulses(), 0.02, marks=pytest.mark.slow),
    ],
)
def test_up_and_down_counts_of_a_batch_have_their_closed_forms(pulses, rate):
    x, d = batch()
    sent = send_many(pulses, *fine_device((4, 3)), x, d, rate)
    exact = batch_moments(np.asarray(x), np.asarray(d), rate, 0.001, 31, True, True)
    for counts, (mean, variance) in zip((sent.up, sent.down), exact, strict=True):
        assert mean_score(counts, mean) < SIGMAS
        assert mean_score((np.asarray(counts, float) - mean) ** 2, variance) < SIGMAS


@pytest.mark.parametrize("start", [-0.8, 0.0, 0.7])
def test_opposite_samples_do_not_cancel_and_pull_to_the_symmetric_point(start):
    device = SoftBounds(dw_min=0.05, w_max=1.0, w_min=-1.0, up_down=0.3).without_variation()
    cells = device.sample(jax.random.key(0), (1, 1))
    up, down = np.float64(cells.step_up), np.float64(cells.step_down)
    symmetric_point = (up - down) / (up + down)  # (u - v) / (u/b+ - v/b-), bounds of +-1
    w = jnp.full((1, 1), start)
    x, d = jnp.ones((2, 1)), jnp.array([[1.0], [-1.0]])
    batched = send_many(BatchedPulses(), device, cells, w, x, d, 0.2)
    yardstick = send_many(CoincidencePulses(), device, cells, w, *shuffled(x, d, REPEATS), 0.2)
    for sent in (batched, yardstick):
        assert mean_score(sent.up - sent.down, 0.0) < SIGMAS
        assert mean_score(sent.up, 4.0) < SIGMAS
        assert mean_score(sent.down, 4.0) < SIGMAS
        moved = np.asarray(sent.w, float)
        assert abs(moved.mean() - symmetric_point) < 0.9 * abs(start - symmetric_point)
    assert two_sample_score(batched.w, yardstick.w) < SIGMAS


def test_opposite_samples_leave_a_constant_step_where_it_was_on_average():
    x, d = jnp.ones((2, 1)), jnp.array([[0.7], [-0.7]])
    sent = send_many(BatchedPulses(), *fine_device((1, 1)), x, d, 0.01)
    assert mean_score(sent.w, 0.0) < SIGMAS
    assert mean_score(sent.up, 7.0) < SIGMAS
    assert mean_score(sent.down, 7.0) < SIGMAS


def test_coarse_varied_devices_move_as_under_exact_bit_trains():
    device = SoftBounds.with_states(4, dw_min_dtod=0.3, w_max_dtod=0.2, dw_min_std=0.0)
    cells = device.sample(jax.random.key(6), (4, 3))
    w = device.program(cells, 0.3 * jax.random.normal(jax.random.key(7), (4, 3)))
    x, d = batch(samples=5)
    batched = send_many(BatchedPulses(), device, cells, w, x, d, 0.1)
    yardstick = send_many(CoincidencePulses(), device, cells, w, *shuffled(x, d, REPEATS), 0.1)
    assert two_sample_score(batched.w, yardstick.w) < SIGMAS
    # The step is large enough for a scheme that cancels pulses first to stand out.
    flat = -0.1 * x.T @ d
    q_up, q_down = device.response(cells, w)
    cancelled = w + jnp.where(flat > 0, flat * q_up, flat * q_down)
    assert mean_score(yardstick.w, cancelled) > 2 * SIGMAS


def test_no_input_or_no_error_sends_no_pulse():
    x, d = batch()
    for x_on, d_on in ((0, 1), (1, 0), (0, 0)):
        sent = send_many(BatchedPulses(), *fine_device((4, 3)), x_on * x, d_on * d, 0.02)
        assert not any(part.any() for part in sent)
