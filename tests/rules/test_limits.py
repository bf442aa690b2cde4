"""Fine and ideal devices bring every rule back to digital training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import analogjax
from analogjax.devices import ConstantStep, SoftBounds
from analogjax.pulses import BatchedPulses, ExpectedPulses, Factors

STEPS, RATE = 20, 0.05
KEYS = jax.random.split(jax.random.key(23), 3)
X = jax.random.normal(KEYS[0], (STEPS, 1, 6))
D = jax.random.normal(KEYS[1], (STEPS, 1, 5))
UNBOUNDED = {"w_max": float("inf"), "w_min": -float("inf")}


def train(rule, params, x, d, with_factors=True):
    def step(carry, batch):
        params, state = carry
        gradient = {"w": jnp.einsum("bi,bo->io", *batch)}
        extra = {"factors": {"w": Factors(*batch)}} if with_factors else {}
        updates, state = rule.update(gradient, state, params, **extra)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, rule.init(params)), (x, d))[0][0]["w"]


def digital():
    sgd = optax.with_extra_args_support(optax.sgd(RATE))
    return jax.jit(lambda: train(sgd, {"w": jnp.zeros((6, 5))}, X, D))()


@pytest.mark.parametrize("name", ["analog_sgd", "mixed_precision"])
def test_distance_to_digital_sgd_falls_as_the_root_of_the_step(name):
    steps = (4e-3, 2.5e-4)
    longest = 10 * int(RATE * float(jnp.abs(X).max() * jnp.abs(D).max()) / min(steps))

    def run(key, dw_min):
        device = ConstantStep(dw_min=dw_min, **UNBOUNDED).without_variation()
        rule = getattr(analogjax, name)(
            RATE, device, key=key, pulses=BatchedPulses(desired_bl=longest)
        )
        return train(rule, {"w": jnp.zeros((6, 5))}, X, D)

    run = jax.jit(jax.vmap(run, in_axes=(0, None)))
    error = [
        float(jnp.sqrt(jnp.mean((run(jax.random.split(KEYS[2], 32), dw) - digital()) ** 2)))
        for dw in steps
    ]
    # Each of the 960 errors has a variance of at most STEPS * RATE * |x d| * dw_min, for the
    # sum of the pulse counts' variances; a step 16 times finer makes it 4 times smaller.
    assert error[0] / error[1] == pytest.approx(4, rel=0.15)
    mean_size = float(jnp.mean(jnp.abs(X)) * jnp.mean(jnp.abs(D)))
    assert error[0] < np.sqrt(STEPS * RATE * mean_size * steps[0])


@pytest.mark.parametrize("with_factors", [True, False])
def test_expected_pulses_on_unbounded_constant_steps_are_digital_sgd(with_factors):
    device = ConstantStep(dw_min=0.02, **UNBOUNDED).without_variation()
    rule = analogjax.analog_sgd(RATE, device, key=0, pulses=ExpectedPulses())
    w = jax.jit(lambda: train(rule, {"w": jnp.zeros((6, 5))}, X, D, with_factors))()
    np.testing.assert_allclose(w, digital(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("with_factors", [True, False])
def test_residual_learning_on_one_tile_is_analog_sgd_to_the_bit(with_factors):
    device = SoftBounds.with_states(10).without_variation()
    device = dataclasses.replace(device, dw_min_dtod=0.3, dw_min_std=0.3)
    params = {"w": jnp.full((6, 5), 0.2)}
    one, other = (
        jax.jit(lambda rule=rule: train(rule, params, X, D, with_factors))()
        for rule in (
            analogjax.analog_sgd(RATE, device, key=5),
            analogjax.residual_learning(
                RATE, device, key=5, num_tiles=1, warm_start=analogjax.Plateau()
            ),
        )
    )
    np.testing.assert_array_equal(one, other)
    assert (one != params["w"]).any()


LONG = BatchedPulses(desired_bl=2000)  # so that no error vector is cut off
REGRESSION = {
    "analog_sgd": {"pulses": LONG},
    "tiki_taka": {"gamma": 0.5, "transfer_lr": 0.1, "pulses": LONG},
    "mixed_precision": {"pulses": LONG},
    "residual_learning": {"num_tiles": 2, "transfer_lr": 0.2, "transfer_every": 2, "pulses": LONG},
}


@pytest.mark.parametrize(
    ("name", "with_factors"),
    [*((name, True) for name in REGRESSION), ("analog_sgd", False), ("residual_learning", False)],
)
def test_ideal_devices_reach_the_least_squares_optimum(name, with_factors):
    inputs = np.linalg.qr(np.asarray(jax.random.normal(KEYS[0], (8, 4))))[0] * np.sqrt(8)
    targets = inputs @ np.linspace(-0.8, 0.8, 12).reshape(4, 3)
    targets = targets + 0.3 * np.asarray(jax.random.normal(KEYS[1], (8, 3)))
    optimum = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    device = ConstantStep(dw_min=2e-4, w_max=20.0, w_min=-20.0).without_variation()
    rule = getattr(analogjax, name)(0.3, device, key=1, **REGRESSION[name])
    x = jnp.asarray(inputs)

    def step(carry, _):
        params, state = carry
        d = (x @ params["w"] - targets) / 8
        extra = {"factors": {"w": Factors(x, d)}} if with_factors else {}
        updates, state = rule.update({"w": x.T @ d}, state, params, **extra)
        params = optax.apply_updates(params, updates)
        return (params, state), None

    params = {"w": jnp.zeros((4, 3))}
    (params, _), _ = jax.jit(lambda carry: jax.lax.scan(step, carry, length=600))(
        (params, rule.init(params))
    )
    # Pulses of opposite samples keep the weight in motion by a few steps' root, below 0.02.
    np.testing.assert_allclose(params["w"], optimum, rtol=0, atol=0.03)
    assert np.abs(optimum).max() > 0.7
