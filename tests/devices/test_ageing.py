"""Decay, diffusion, reset and drift."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax
from analogjax.devices import PowerLawDrift, SoftBounds
from analogjax.pulses import Factors
from analogjax.tiles import read

PLAIN = SoftBounds(dw_min=0.01, w_max=1.0, w_min=-1.0).without_variation()
KEY = jax.random.key(6)
SHAPE = (100, 100)
SPREAD = 4 / 100  # four standard errors of a mean over SHAPE


def aged(device, w, steps):
    cells, ageing = device.sample(KEY, w.shape), device.sample_ageing(KEY, w.shape)
    for key in jax.random.split(KEY, steps):
        w = device.apply_ageing(key, cells, ageing, w)
    return w


def test_a_device_that_does_not_age_keeps_nothing():
    assert PLAIN.sample_ageing(KEY, SHAPE) is None


def test_decay_keeps_a_share_of_the_distance_to_the_reset_weight():
    device = dataclasses.replace(PLAIN, lifetime=5.0, reset=0.2)
    w = aged(device, jnp.array([[0.9, 0.2, -0.7]]), 7)
    expected = 0.2 + np.array([[0.7, 0.0, -0.9]]) * 0.8**7
    np.testing.assert_allclose(w, expected, atol=1e-6)


@pytest.mark.parametrize("elapsed", [-1.0, np.nan])
def test_no_drift_before_the_weights_were_written(elapsed):
    with pytest.raises(ValueError, match="elapsed must be a finite number of at least 0, got"):
        PowerLawDrift().apply(KEY, jnp.ones((1, 1)), jnp.ones((1, 1)), elapsed)


@pytest.mark.parametrize("lifetime", [0.5, 1.0])
def test_a_lifetime_of_one_mini_batch_or_less_forgets_at_once(lifetime):
    device = dataclasses.replace(PLAIN, lifetime=lifetime, reset=-0.3)
    np.testing.assert_allclose(aged(device, jnp.full((1, 2), 0.9), 1), -0.3, rtol=1e-6)


def test_diffusion_is_a_random_walk_without_decay():
    device = dataclasses.replace(PLAIN, diffusion=0.02)
    w = np.asarray(aged(device, jnp.zeros(SHAPE), 9)) / (0.02 * 3)
    assert abs(w.mean()) < SPREAD
    assert abs(w.std() - 1) < SPREAD


def test_diffusion_stays_within_the_bounds():
    device = dataclasses.replace(PLAIN, diffusion=5.0)
    w = aged(device, jnp.zeros(SHAPE), 2)
    assert float(jnp.abs(w).max()) == 1.0


def test_each_crosspoint_ages_at_its_own_rate():
    device = dataclasses.replace(
        PLAIN, lifetime=50.0, lifetime_dtod=0.1, diffusion=0.02, diffusion_dtod=0.3, reset_dtod=0.1
    )
    ageing = device.sample_ageing(KEY, SHAPE)
    life = 1 / np.asarray(ageing.rate)
    for part, mean, std in (
        (life, 50, 5),
        (np.asarray(ageing.diffusion), 0.02, 0.006),
        (np.asarray(ageing.target), 0, 0.1),
    ):
        assert abs(part.mean() - mean) < SPREAD * std
        assert abs(part.std() - std) < SPREAD * std
    correlation = np.corrcoef([np.ravel(part) for part in ageing])
    assert np.abs(correlation - np.eye(3)).max() < SPREAD


def test_reset_leads_to_the_reset_weight_with_its_spread_within_the_bounds():
    device = dataclasses.replace(PLAIN, reset=0.4, reset_std=0.05)
    cells = device.sample(KEY, SHAPE)
    target = device.sample_reset(KEY, SHAPE)
    w = np.asarray(device.apply_reset(KEY, cells, jnp.zeros(SHAPE), target))
    assert abs(w.mean() - 0.4) < SPREAD * 0.05
    assert abs(w.std() - 0.05) < SPREAD * 0.05
    wide = dataclasses.replace(device, reset_std=3.0).apply_reset(KEY, cells, w, target)
    assert float(jnp.abs(wide).max()) == 1.0


RULES = {
    "analog_sgd": {},
    "tiki_taka": {"gamma": 0.5},
    "mixed_precision": {"transfer_every": 3},
    "residual_learning": {"num_tiles": 4, "transfer_every": (3, 2, 1)},
}


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(rule, marks=() if rule == "residual_learning" else pytest.mark.slow)
        for rule in RULES
    ],
)
def test_every_tile_ages_once_a_mini_batch_under_every_rule(rule):
    device = dataclasses.replace(PLAIN, lifetime=4.0)
    learn = getattr(analogjax, rule)(0.1, device, key=0, **RULES[rule])
    params = {"w": jnp.full((3, 2), 0.8)}
    state = learn.init(params)
    silent = {"w": Factors(jnp.zeros((2, 3)), jnp.zeros((2, 2)))}
    none = {"w": jnp.zeros((3, 2))}
    step = jax.jit(lambda params, state: learn.update(none, state, params, factors=silent))
    for _ in range(5):
        updates, state = step(params, state)
        params = {"w": params["w"] + updates["w"]}
    weights = state.weights["w"]
    tiles = getattr(weights, "stack", weights).tiles
    np.testing.assert_allclose(read(tiles[0]), 0.8 * 0.75**5, rtol=1e-5)
    np.testing.assert_allclose(params["w"], 0.8 * 0.75**5, rtol=1e-5)


def test_drift_follows_the_power_law_from_t0_on():
    drift = PowerLawDrift(nu=0.3, nu_dtod=0.0, t0=2.0)
    exponents = drift.sample(KEY, (1, 3))
    elapsed = jnp.array([[0.0, 2.0, 200.0]])
    w = drift.apply(KEY, exponents, jnp.full((1, 3), 0.5), elapsed)
    np.testing.assert_allclose(w, [[0.5, 0.5, 0.5 * 100**-0.3]], rtol=1e-6)


def test_drift_differs_from_crosspoint_to_crosspoint_and_from_call_to_call():
    drift = PowerLawDrift(nu=0.3, nu_dtod=0.1, nu_std=0.2)
    exponents = np.asarray(drift.sample(KEY, SHAPE))
    assert abs(exponents.mean() - 0.3) < SPREAD * 0.03
    assert abs(exponents.std() - 0.03) < SPREAD * 0.03
    w = np.asarray(drift.apply(jax.random.key(1), exponents, jnp.ones(SHAPE), np.e))
    call = -np.log(w) - exponents
    assert abs(call.std() - 0.06) < SPREAD * 0.06


@pytest.mark.parametrize(
    ("field", "value"), [("lifetime", -1.0), ("diffusion", -0.1), ("write_noise_std", -2.0)]
)
def test_a_negative_field_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=rf"SoftBounds\.{field} must be at least 0, got {value}"):
        dataclasses.replace(PLAIN, **{field: value}).sample(KEY, (1, 1))


def test_a_time_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"PowerLawDrift\.t0 must be positive, got 0\.0"):
        PowerLawDrift(t0=0.0).sample(KEY, (1, 1))


@pytest.mark.parametrize("lifetime", [pytest.param(1e6, marks=pytest.mark.slow), 1e7])
def test_a_decay_finer_than_float32_adds_up(lifetime):
    device = dataclasses.replace(PLAIN, lifetime=lifetime)
    start, steps = jnp.linspace(0.1, 0.9, 400)[:, None], 4000
    cells, ageing = device.sample(KEY, start.shape), device.sample_ageing(KEY, start.shape)

    def one(w, key):
        return device.apply_ageing(key, cells, ageing, w), None

    w, _ = jax.jit(lambda w: jax.lax.scan(one, w, jax.random.split(KEY, steps)))(start)
    lost = float((start - w).sum() / start.sum())
    assert lost * lifetime == pytest.approx(steps, rel=0.05)
