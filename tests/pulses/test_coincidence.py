"""Exact bit trains against the closed forms of their first and second moments."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import SIGMAS, count_moments, line_probabilities, mean_score

from analogjax.devices import ConstantStep
from analogjax.pulses import CoincidencePulses

X = np.array([[0.9, -0.35, 0.6, 0.0, -0.75]])
D = np.array([[-0.5, 0.8, 0.25, -0.65]])
REPEATS = 20_000

# (rate / dw_min, longest train, update management, update-BL management)
SETTINGS = {
    "managed": (8.0, 31, True, True),
    "managed_long": (45.0, 31, True, True),  # k above 31: d is scaled down
    "managed_short": (8.0, 10, True, True),
    "managed_short_clipped": (25.0, 10, True, True),
    "fixed_length": (8.0, 31, True, False),
    "fixed_length_clipped": (60.0, 31, True, False),
    "unmanaged": (8.0, 31, False, False),
    "unmanaged_clipped": (70.0, 31, False, False),  # probabilities cut off at 1
    "unmanaged_short": (8.0, 10, False, False),
}


@functools.partial(jax.jit, static_argnums=0)
def send_many(pulses, x, d, rate):
    """Weights and counts of independent updates from zero with a step of 0.001."""
    device = ConstantStep(dw_min=0.001, w_max=9.0, w_min=-9.0).without_variation()
    w = jnp.zeros((x.shape[1], d.shape[1]))
    cells = device.sample(jax.random.key(0), w.shape)

    def send(key):
        return pulses.send(key, device, cells, w, x, d, rate * 0.001)

    return jax.vmap(send)(jax.random.split(jax.random.key(1), REPEATS))


@pytest.mark.parametrize(
    ("rate", "bl", "management", "bl_management"), SETTINGS.values(), ids=SETTINGS
)
def test_counts_have_the_exact_means_variances_and_covariances(rate, bl, management, bl_management):
    pulses = CoincidencePulses(
        desired_bl=bl, update_management=management, update_bl_management=bl_management
    )
    sent = send_many(pulses, X, D, rate)
    counts = np.asarray(sent.up + sent.down, float).reshape(REPEATS, -1)
    lines = line_probabilities(X[0], D[0], rate, 1.0, bl, management, bl_management)
    mean, covariance = count_moments(*lines)
    assert mean_score(counts, mean) < SIGMAS
    centred = counts - mean
    products = np.einsum("ni,nj->nij", centred, centred)
    assert mean_score(products, covariance) < SIGMAS
    # The closed form is one that a program without shared bits would miss.
    off_diagonal = covariance - np.diag(np.diag(covariance))
    assert np.abs(off_diagonal).max() > 10 * products.std(0).max() / np.sqrt(REPEATS)
    # Each pulse moves the weight by one step, down where x and d agree in sign.
    signs = -np.sign(np.outer(X[0], D[0])).ravel()
    moved = np.asarray(sent.w).reshape(REPEATS, -1)
    np.testing.assert_allclose(moved, 0.001 * signs * counts, atol=1e-6)


def test_unclipped_update_moves_the_mean_by_the_gradient():
    sent = send_many(CoincidencePulses(), X, D, 8.0)
    assert mean_score(sent.w, -0.008 * np.outer(X[0], D[0])) < SIGMAS


@pytest.mark.parametrize(("x", "d"), [(0 * X, D), (X, 0 * D), (0 * X, 0 * D)])
def test_no_input_or_no_error_sends_no_pulse(x, d):
    sent = send_many(CoincidencePulses(), x, d, 8.0)
    assert not sent.up.any()
    assert not sent.down.any()
    assert not sent.w.any()


def test_samples_are_taken_in_order_each_from_where_the_last_one_left():
    # One certain pulse a sample; the bound swallows an up pulse that comes first.
    device = ConstantStep(dw_min=0.1, w_max=0.0, w_min=-1.0).without_variation()
    cells = device.sample(jax.random.key(0), (1, 1))
    apply = jax.jit(
        lambda d: CoincidencePulses().apply(
            jax.random.key(0), device, cells, jnp.zeros((1, 1)), jnp.ones((2, 1)), d, 0.1
        )
    )
    up_then_down = apply(jnp.array([[-1.0], [1.0]])).item()
    down_then_up = apply(jnp.array([[1.0], [-1.0]])).item()
    assert (up_then_down, down_then_up) == (pytest.approx(-0.1), pytest.approx(0.0))
