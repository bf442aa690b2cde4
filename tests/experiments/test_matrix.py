"""Training one matrix, and the least-squares problem."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import analogjax
from analogjax.devices import Ideal
from analogjax.experiments import LeastSquares, train_matrix
from analogjax.pulses import ExpectedPulses

PROBLEM = LeastSquares.draw(jax.random.key(0), 30, 5, 1.0, 0.5)


def test_the_gradients_are_those_of_the_loss():
    w = jnp.ones((5, 1))
    wanted = jax.grad(PROBLEM.loss)(w) * 5  # The loss is of each weight, the gradients are not.
    for gradient in (PROBLEM.with_noise(0.0), PROBLEM.with_noisy_reads(0.0)):
        x, d = gradient(w, jax.random.key(1))
        np.testing.assert_allclose(x.T @ d, wanted, rtol=1e-5)


def test_noise_of_reads_has_the_spread_that_noisy_weights_would_give():
    gradient = PROBLEM.with_noisy_reads(0.1)
    keys = jax.random.split(jax.random.key(2), 4000)
    d = jax.vmap(lambda key: gradient(PROBLEM.target, key)[1])(keys)
    wanted = 0.1 * jnp.linalg.norm(PROBLEM.inputs, axis=1) / 30
    np.testing.assert_allclose(d.std(axis=0)[:, 0], wanted, rtol=0.06)


def test_an_ideal_device_follows_gradient_descent():
    start, key = jnp.zeros((5, 1)), jax.random.key(3)
    rule = analogjax.analog_sgd(0.1, Ideal(), key=0, pulses=ExpectedPulses())
    analog, state = train_matrix(rule, start, PROBLEM.with_noise(0.1), 40, key=key, every=4)
    digital, _ = train_matrix(optax.sgd(0.1), start, PROBLEM.with_noise(0.1), 40, key=key, every=4)
    assert analog.shape == (10, 5, 1)
    assert int(state.count) == 40
    np.testing.assert_allclose(analog, digital, rtol=1e-4, atol=1e-6)


def test_a_loss_ends_the_stages_of_a_warm_start():
    rule = analogjax.residual_learning(
        0.1, Ideal(), key=0, num_tiles=3, warm_start=analogjax.Plateau()
    )
    start, gradient = jnp.zeros((5, 1)), PROBLEM.with_noise(0.0)

    def stage(loss):
        _, state = train_matrix(rule, start, gradient, 4, key=jax.random.key(0), loss=loss)
        return int(state.warm_start.stage)

    assert stage(PROBLEM.loss) == 0
    assert stage(lambda w: -PROBLEM.loss(w)) == 2  # A rise, the second of two losses, ends one.
    with pytest.raises(ValueError, match="value="):
        stage(None)


@pytest.mark.parametrize("every", [0, 3])
def test_a_rest_of_steps_is_refused(every):
    with pytest.raises(ValueError, match=f"steps must be a multiple of every, got 10 and {every}"):
        train_matrix(
            optax.sgd(0.1),
            jnp.zeros((5, 1)),
            PROBLEM.with_noise(0.0),
            10,
            key=jax.random.key(0),
            every=every,
        )


@pytest.mark.parametrize(
    ("w", "gradient", "message"),
    [
        (jnp.zeros((1, 2), int), lambda w, key: (w, w), "floating-point numbers, got int32"),
        (jnp.zeros((1, 2)), lambda w, key: w, r"pair x \(batch, 1\) and d \(batch, 2\), got"),
        (jnp.zeros((1, 2)), lambda w, key: (w, w), r"pair x \(batch, 1\) and d \(batch, 2\), got"),
    ],
)
def test_what_is_no_pair_or_no_weight_is_refused(w, gradient, message):
    with pytest.raises(ValueError, match=message):
        train_matrix(optax.sgd(0.1), w, gradient, 2, key=jax.random.key(0))
