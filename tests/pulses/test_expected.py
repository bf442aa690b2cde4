"""The mean-field update against its equations in plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import SIGMAS, line_probabilities, mean_score
from scipy import stats

from analogjax.devices import SoftBounds
from analogjax.pulses import ExpectedPulses

KEY = jax.random.key(9)
SHAPE = (5, 3)
DEVICE = SoftBounds.with_states(20, w_max=0.8, w_min=-0.6, up_down=0.2, up_down_dtod=0.05)


def responses(cells, w, dw_min):
    """q+ and q- of soft bounds, float64."""
    up, down, w_max, w_min = (np.asarray(leaf, float) for leaf in cells)
    return up / dw_min * (1 - w / w_max), down / dw_min * (1 - w / w_min)


def test_two_hundred_steps_follow_the_recursion():
    cells = DEVICE.sample(KEY, SHAPE)
    keys = jax.random.split(KEY, 2)
    x, d = jax.random.normal(keys[0], (200, 4, 5)), jax.random.normal(keys[1], (200, 4, 3))

    @jax.jit
    def run(w):
        def step(w, xd):
            w = ExpectedPulses().apply(None, DEVICE, cells, w, *xd, 0.01)
            return w, w

        return jax.lax.scan(step, w, (x, d))[1]

    path = run(DEVICE.program(cells, jnp.full(SHAPE, 0.1)))
    w = np.clip(0.1, np.asarray(cells.w_min, float), np.asarray(cells.w_max, float))
    for t in range(200):
        outer = np.einsum("bi,bo->bio", np.asarray(x[t], float), np.asarray(d[t], float))
        change, size = -0.01 * outer.sum(0), 0.01 * np.abs(outer).sum(0)
        q_up, q_down = responses(cells, w, DEVICE.dw_min)
        w = w + change * (q_down + q_up) / 2 - size * (q_down - q_up) / 2
        w = np.clip(w, np.asarray(cells.w_min, float), np.asarray(cells.w_max, float))
        np.testing.assert_allclose(path[t], w, rtol=0, atol=2e-6)
    assert np.ptp(np.asarray(path), axis=0).min() > 0.1


@pytest.mark.parametrize("desired_bl", [None, 10])
def test_noise_has_the_variance_of_the_pulse_counts(desired_bl):
    device = DEVICE.without_variation()
    cells = device.sample(KEY, SHAPE)
    w = jnp.full(SHAPE, 0.3)
    x, d = np.array([[0.9, -0.5, 0.2, 0.6, -1.0]]), np.array([[0.8, -1.0, 0.3]])
    pulses = ExpectedPulses(desired_bl=desired_bl, noise=True)
    apply = jax.jit(jax.vmap(lambda key: pulses.apply(key, device, cells, w, x, d, 0.2)))
    moved = np.asarray(apply(jax.random.split(KEY, 20_000)), float) - 0.3
    q_up, q_down = responses(cells, np.full(SHAPE, 0.3), device.dw_min)
    outer = np.outer(x[0], d[0])
    q = np.where(outer < 0, q_up, q_down)
    mean = -0.2 * outer * q
    # Lemma 1: rate * |x d| * dw_min * (1 - P), and P towards 0 for trains without end.
    prob = 0.0
    if desired_bl is not None:
        px, pd, _ = line_probabilities(x[0], d[0], 0.2, device.dw_min, desired_bl, True, True)
        prob = np.outer(px, pd)
    variance = 0.2 * np.abs(outer) * device.dw_min * (1 - prob) * q**2
    assert mean_score(moved, mean) < SIGMAS
    assert mean_score((moved - mean) ** 2, variance) < SIGMAS
    law = stats.norm(mean[1, 1], np.sqrt(variance[1, 1]))
    assert stats.kstest(moved[:, 1, 1], law.cdf).pvalue > 1e-4


def test_weights_stay_within_their_bounds():
    cells = DEVICE.sample(KEY, SHAPE)
    for sign in (-1.0, 1.0):
        w = ExpectedPulses().apply(
            None, DEVICE, cells, jnp.zeros(SHAPE), jnp.ones((1, 5)), sign * jnp.ones((1, 3)), 9.0
        )
        assert ((w >= cells.w_min) & (w <= cells.w_max)).all()
        assert (w * sign < 0).all()
