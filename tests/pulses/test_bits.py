"""Coincidences that are listed, and counted, against those found by visiting every crosspoint."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import SIGMAS, count_moments, line_probabilities, mean_score, two_sample_score
from dense_bits import send_densely

from analogjax.devices import ConstantStep, SoftBounds, VectorCell
from analogjax.pulses import BatchedPulses, CoincidencePulses, ExpectedPulses, _lines
from analogjax.pulses._bits import send_bits
from analogjax.pulses._counts import count_at_once, count_in_turn
from analogjax.pulses._listing import set_bits

KEY = jax.random.key(17)
SETTINGS = {"desired_bl": 10, "update_management": True, "update_bl_management": True}
SHAPE = (5, 4)

# No line is so rare that the spread of its coincidences could not be estimated.
X = jnp.array([[0.9, -0.5, 0.7, -0.8, 0.6], [0.0] * 5, [-0.4, 1.0, 0.8, 0.5, -0.7]])
D = jnp.array([[0.8, -0.6, 1.0, 0.5], [1.0] * 4, [0.7, 0.9, -0.5, -0.8]])
REPEATS = 10_000


def repeated(send):
    return jax.jit(jax.vmap(send))(jax.random.split(KEY, REPEATS))


@pytest.mark.parametrize(
    "rate",
    [pytest.param(0.05, marks=pytest.mark.slow), 0.2, pytest.param(0.8, marks=pytest.mark.slow)],
)
def test_listed_coincidences_move_weights_as_the_slow_way_does(rate):
    device = SoftBounds.with_states(20, dw_min_dtod=0.3, up_down=0.2, dw_min_std=0.5)
    cells = device.sample(KEY, SHAPE)
    w = device.program(cells, 0.4 * jax.random.normal(KEY, SHAPE))
    pulses = CoincidencePulses(**SETTINGS)
    fast = repeated(lambda key: pulses.send(key, device, cells, w, X, D, rate))
    slow = repeated(lambda key: send_densely(key, device, cells, w, X, D, rate, **SETTINGS))
    for sent in (fast, slow):
        by_crosspoint = jnp.stack([sent.up.sum((1, 2)), sent.down.sum((1, 2))], axis=1)
        np.testing.assert_array_equal(sent.total, by_crosspoint)
    for a, b in zip(fast[:3], slow[:3], strict=True):
        a, b = np.asarray(a, float), np.asarray(b, float)
        assert two_sample_score(a, b) < SIGMAS
        # Variances, and covariances of neighbours along a row and along a column.
        for shift in ((0, 0), (0, 1), (1, 0)):
            products = [
                (part - part.mean(0)) * np.roll(part - part.mean(0), shift, (1, 2))
                for part in (a, b)
            ]
            assert two_sample_score(*products) < SIGMAS


@functools.partial(jax.jit, static_argnames="pulses")
def counts_of(pulses, x, d, rate):
    device = ConstantStep(dw_min=0.001, w_max=9.0, w_min=-9.0).without_variation()
    cells, w = device.sample(KEY, SHAPE), jnp.zeros(SHAPE)
    send = functools.partial(pulses.send, device=device, cells=cells, w=w, x=x, d=d)
    sent = jax.vmap(lambda key: send(key, learning_rate=rate * 0.001))(
        jax.random.split(KEY, REPEATS)
    )
    return sent.up - sent.down


@pytest.mark.parametrize("scheme", [BatchedPulses, CoincidencePulses])
@pytest.mark.parametrize("pairs", [1, 3])
@pytest.mark.parametrize("rate", [0.8, 3.0, 20.0])
def test_counts_of_a_batch_have_the_joint_law_of_the_bit_trains(scheme, pairs, rate):
    """The first scheme counts so small an array, the second lists."""
    x, d = X[::2][:pairs], D[::2][:pairs]
    x, d = (jnp.concatenate([part] * 2)[:pairs] for part in (x, d))
    net = np.asarray(counts_of(scheme(**SETTINGS), x, d, rate), float)
    mean, covariance = 0.0, 0.0
    for one_x, one_d in zip(np.asarray(x), np.asarray(d), strict=True):
        own_mean, own = count_moments(*line_probabilities(one_x, one_d, rate, 1.0, 10, True, True))
        sign = -np.sign(np.outer(one_x, one_d)).ravel()
        mean, covariance = mean + sign * own_mean, covariance + np.outer(sign, sign) * own
    centred = net.reshape(REPEATS, -1) - mean
    assert mean_score(net.reshape(REPEATS, -1), mean) < SIGMAS
    assert mean_score(np.einsum("ni,nj->nij", centred, centred), covariance) < SIGMAS


def test_few_pulses_of_a_large_array_are_sent_as_bit_trains_are():
    device = SoftBounds.with_states(10)
    cells, w = device.sample(KEY, (60, 50)), jnp.zeros((60, 50))
    x, d = (jax.random.normal(KEY, (40, size)) for size in (60, 50))
    both = [
        jax.jit(pulses.send, static_argnums=1)(KEY, device, cells, w, x, d, 0.001)
        for pulses in (BatchedPulses(), CoincidencePulses())
    ]
    assert 50 < (both[0].up + both[0].down).sum() < 0.3 * w.size
    jax.tree.map(np.testing.assert_array_equal, *both)


def test_many_pulses_of_a_large_array_are_counted_with_the_same_law():
    device = ConstantStep(dw_min=0.001, w_max=9.0, w_min=-9.0).without_variation()
    cells, w = device.sample(KEY, (60, 50)), jnp.zeros((60, 50))
    x, d = (jax.random.normal(KEY, (40, size)) for size in (60, 50))

    def send(key):
        return BatchedPulses().send(key, device, cells, w, x, d, 0.0002)

    sent = jax.jit(jax.vmap(send))(jax.random.split(KEY, 300))
    expected = ExpectedPulses(desired_bl=31).send(KEY, device, cells, w, x, d, 0.0002)
    assert expected.up.mean() > 1
    for counts, mean in zip(sent[1:], expected[1:], strict=True):
        assert mean_score(counts, np.asarray(mean, float)) < SIGMAS
    np.testing.assert_allclose(sent.w, 0.001 * (sent.up - sent.down), atol=1e-5)


def test_every_coincidence_of_a_large_array_is_found_once_and_has_noise_of_its_own():
    device = ConstantStep(dw_min=0.01, w_max=9.0, w_min=-9.0).without_variation()
    device = dataclasses.replace(device, dw_min_std=0.5)
    cells, w = device.sample(KEY, (60, 50)), jnp.zeros((60, 50))
    # One certain slot for each of two samples of opposite sign.
    x, d = jnp.ones((2, 60)), jnp.array([[1.0], [-1.0]]) * jnp.ones((2, 50))
    sent = jax.jit(lambda: CoincidencePulses().send(KEY, device, cells, w, x, d, 0.01))()
    np.testing.assert_array_equal(sent.up, 1)
    np.testing.assert_array_equal(sent.down, 1)
    noise = np.asarray(sent.w).ravel() / (0.005 * np.sqrt(2))
    assert abs(noise.std() - 1) < 4 / np.sqrt(2 * noise.size)
    for lag in (1, 50, 256, 512):
        assert abs(np.corrcoef(noise, np.roll(noise, lag))[0, 1]) < 4 / np.sqrt(noise.size)


@pytest.mark.parametrize("groups", [pytest.param(1, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("pairs", [1, 300])
@pytest.mark.parametrize("longest", [10, 32, 70])
def test_counted_in_turn_and_at_once_they_are_the_same(groups, pairs, longest):
    """The one is for CPUs, the other for all other processors."""
    x, d = (jax.random.normal(KEY, (pairs * groups, size)) for size in (7, 5))
    x, d = (jnp.where(jnp.abs(part) < 0.3, 0.0, part) for part in (x, d))
    lines = _lines.line_probabilities(
        x, d, 20.0, 1.0, desired_bl=longest, update_management=True, update_bl_management=True
    )
    both = [
        jax.jit(lambda: count_in_turn(KEY, lines, 5 * groups, longest))(),
        jax.jit(lambda: count_at_once(KEY, lines, 5 * groups, longest))(),
    ]
    assert both[0][0].max() > longest / 8
    jax.tree.map(np.testing.assert_array_equal, *both)


@pytest.mark.parametrize("count", [count_in_turn, count_at_once])
def test_pairs_without_pulses_and_beyond_a_chunk_are_counted_right(count):
    pairs = 1000
    number = np.arange(pairs)
    on = number % 3 == 0
    sign_x, sign_d = np.where(number % 2 == 0, 1.0, -1.0), np.where(number < 600, -1.0, 1.0)
    one = jnp.ones((pairs, 1))
    lines = _lines.Lines(
        x=jnp.outer(sign_x, jnp.ones(3)),
        d=jnp.outer(on * sign_d, jnp.ones(2)),
        gain_x=one,
        gain_d=one,
        length=jnp.where(number[:, None] % 5 == 0, 40.0, 1.0),
    )
    up, down = jax.jit(count, static_argnums=(2, 3))(KEY, lines, 2, 40)
    weight = np.where(number % 5 == 0, 40, 1) * on
    np.testing.assert_array_equal(down, weight[sign_x == sign_d].sum())
    np.testing.assert_array_equal(up, weight[sign_x != sign_d].sum())


def test_pairs_of_any_one_sign_that_all_send_a_pulse_are_counted_to_the_last():
    ones = np.ones((300, 2))
    for sign_x, sign_d in itertools.product((1.0, -1.0), repeat=2):
        lines = _lines.Lines(sign_x * ones, sign_d * ones, *3 * (np.ones((300, 1)),))
        counts = jax.jit(lambda lines=lines: count_in_turn(KEY, lines, 2, 31))()
        for count, here in zip(counts, (sign_x != sign_d, sign_x == sign_d), strict=True):
            np.testing.assert_array_equal(count, 300 * here)


@pytest.mark.parametrize("size", [1, 31, 32, 1000])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_set_bits_are_listed_in_order(size, density):
    bits = np.random.default_rng(size).random(size) < density
    listed, number = jax.jit(set_bits)(bits)
    assert number == bits.sum()
    np.testing.assert_array_equal(np.asarray(listed)[: bits.sum()], np.flatnonzero(bits))


@pytest.mark.parametrize("longest", [31, 100])
def test_pulses_of_a_crosspoint_keep_the_order_of_the_samples(longest):
    """Certain trains, of one word and of several: a device that writes down what it gets."""

    class Recorder:
        num_normals = 1

        def pulse(self, cells, w, direction, xi):
            del cells, xi
            return jnp.where(direction == 0, w, jnp.where(direction > 0, w * 1.01 + 1, w * 0.99))

    samples = 7
    sign = jnp.where(jnp.arange(samples) % 3 == 0, 1.0, -1.0)[:, None]
    one = jnp.ones((samples, 1))
    length = jnp.array([3.0, 1.0, 0.0, longest, 2.0, 40.0 if longest > 40 else 4.0, 1.0])[:, None]
    lines = _lines.Lines(jnp.ones((samples, 6)), sign * jnp.ones((1, 5)), one, one, length)
    moved, _ = jax.jit(send_bits, static_argnums=(1, 5))(
        KEY, Recorder(), None, jnp.zeros((6, 5)), lines, longest
    )
    w = 0.0
    for own, down in zip(np.asarray(length)[:, 0], np.asarray(sign)[:, 0] > 0, strict=True):
        for _ in range(int(own)):
            w = np.float32(w * 0.99) if down else np.float32(w * 1.01 + 1)
    np.testing.assert_allclose(moved, w, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "samples_drawn"),
    [((30, 6), 1000), pytest.param((300, 12), 100, marks=pytest.mark.slow)],
)
def test_groups_of_columns_are_arrays_of_their_own(shape, samples_drawn):
    """As the vectors of one group after another, with no error on the columns of the others."""
    groups, samples = 3, 4
    key_x, key_d = jax.random.split(KEY)
    x = jax.random.normal(key_x, (samples * groups, shape[0]))
    d = jax.random.normal(key_d, (samples * groups, shape[1] // groups))
    own = np.arange(samples * groups)[:, None] % groups == np.arange(shape[1]) // (shape[1] // 3)
    whole = jnp.tile(d, (1, groups)) * own
    device = ConstantStep(dw_min=0.001, w_max=9.0, w_min=-9.0).without_variation()
    cells, w = device.sample(KEY, shape), jnp.zeros(shape)
    exact = [
        ExpectedPulses(desired_bl=10).apply(KEY, device, cells, w, x, errors, 0.003)
        for errors in (d, whole)
    ]
    np.testing.assert_allclose(*exact, rtol=1e-4, atol=1e-7)
    implicit = CoincidencePulses(pulse_type="deterministic_implicit")
    certain = [implicit.apply(KEY, device, cells, w, x, errors, 0.003) for errors in (d, whole)]
    np.testing.assert_allclose(*certain, rtol=1e-5, atol=1e-7)
    for pulses in (CoincidencePulses(), BatchedPulses()):
        send = functools.partial(pulses.send, device=device, cells=cells, w=w, x=x, d=d)
        sent = jax.jit(jax.vmap(lambda key, send=send: send(key, learning_rate=0.003)))(
            jax.random.split(KEY, samples_drawn)
        )
        limited = ExpectedPulses(desired_bl=31).send(KEY, device, cells, w, x, d, 0.003)
        for counts, mean in zip(sent[1:], limited[1:], strict=True):
            rare = (
                np.asarray(mean, float) / samples_drawn
            )  # Some crosspoints never get a pulse here.
            assert mean_score(counts, np.asarray(mean, float), rare) < SIGMAS


@pytest.mark.parametrize("pulses", [BatchedPulses(), CoincidencePulses()])
@pytest.mark.parametrize("shape", [SHAPE, pytest.param((2, 2), marks=pytest.mark.slow)])
def test_vmap_over_everything_equals_a_loop(pulses, shape):
    one = SoftBounds.with_states(10)
    x, d = X[:, : shape[0]], D[:, : shape[1]]

    def send(key, dw_min, x, rate):
        part = dataclasses.replace(one, dw_min=dw_min)
        device = VectorCell(devices=(part, part), update_policy="in_turn")
        cells = device.sample(key, shape)
        w = jax.tree.map(
            lambda part: jnp.broadcast_to(part, shape), device.program(cells, jnp.zeros(shape))
        )
        return pulses.send(key, device, cells, w, x, d, rate)

    keys, steps = jax.random.split(KEY, 2), jnp.array([0.1, 0.2])
    swept = jax.jit(jax.vmap(send, (0, 0, 0, None)))(keys, steps, jnp.stack([x, 2 * x]), 0.3)
    for i, scale in enumerate((1, 2)):
        alone = jax.jit(send)(keys[i], steps[i], scale * x, 0.3)
        for a, b in zip(jax.tree.leaves(swept), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-6)
