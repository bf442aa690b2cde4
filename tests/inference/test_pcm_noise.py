"""Phase-change noise against its formulas, in plain NumPy, and against recorded weights."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.inference import PCMNoise

KEY, MANY = jax.random.key(0), 20_000
G = np.array([0.0, 1e-3, 0.3, 2.0, 12.5, 25.0])
# Compiled once for all: the numbers of the model are arguments.
PROGRAM = jax.jit(lambda noise, key, w: noise.program(key, w, 1.0))
READ = jax.jit(PCMNoise.read)
EXACT = PCMNoise(prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=0.0)


def programmed(noise, w, key=KEY):
    """Many arrays of a few weights each: ``(MANY, weights)``, the largest of which is 1."""
    return PROGRAM(noise, key, jnp.tile(jnp.asarray(w), (MANY, 1)))


def test_spread_of_programming_is_a_polynomial_of_the_relative_conductance():
    r = G / 25.0
    expected = 0.26348 + 1.9650 * r - 1.1731 * r**2
    np.testing.assert_allclose(PCMNoise().program_std(jnp.asarray(G)), expected, rtol=1e-5)


def test_drift_exponents_follow_the_logarithm_of_the_relative_conductance_and_are_clipped():
    log_r = np.log(np.maximum(G / 25.0, 1e-7))
    noise = PCMNoise()
    mean = np.clip(-0.0155 * log_r + 0.0244, 0.049, 0.1)
    std = np.clip(-0.0125 * log_r - 0.0059, 0.008, 0.045)
    np.testing.assert_allclose(noise.drift_mean(jnp.asarray(G)), mean, rtol=1e-5)
    np.testing.assert_allclose(noise.drift_std(jnp.asarray(G)), std, rtol=1e-5)
    assert mean.min() == 0.049
    assert mean.max() == 0.1


@pytest.mark.parametrize("t", [0.0, 1.0, 86400.0, 3e38])
def test_read_noise_grows_with_the_logarithm_of_time(t):
    with np.errstate(divide="ignore"):
        q = np.minimum(0.0088 / (G / 25.0) ** 0.65, 0.2)
    expected = q * np.sqrt(np.log((t + 20.0 + 250e-9) / (2 * 250e-9)))
    np.testing.assert_allclose(PCMNoise().read_std(jnp.asarray(G), t), expected, rtol=1e-5)


@pytest.mark.parametrize("w", [0.5, -0.2, 1.0])
def test_programming_errors_and_exponents_have_their_mean_and_spread(w):
    noise = PCMNoise()
    array = programmed(noise, [w])
    side = 0 if w > 0 else 1
    g, nu, wanted = np.asarray(array.g[side]), np.asarray(array.nu[side]), 25.0 * abs(w)
    for values, mean, std in [
        (g, wanted, noise.program_std(wanted)),
        (nu, noise.drift_mean(wanted), noise.drift_std(wanted)),
    ]:
        np.testing.assert_allclose(values.mean(), mean, atol=4 * std / np.sqrt(MANY))
        np.testing.assert_allclose(values.std(), std, rtol=4 / np.sqrt(2 * MANY))


def test_the_side_that_is_asked_to_be_zero_has_half_of_a_normal_error():
    array = programmed(PCMNoise(), [0.5])
    g = np.asarray(array.g[1])
    assert g.min() == 0.0
    np.testing.assert_allclose((g == 0).mean(), 0.5, atol=4 * 0.5 / np.sqrt(MANY))
    np.testing.assert_allclose(g.mean(), 0.26348 / np.sqrt(2 * np.pi), rtol=0.05)


@pytest.mark.parametrize("t", [0.0, 60.0, 3.2e7])
def test_conductances_fade_by_their_own_power_of_time(t):
    noise = dataclasses.replace(EXACT, drift_scale=1.0)
    w = jnp.array([0.5, -0.3, 1.0])
    array = noise.program(KEY, w)
    nu = np.where(w > 0, array.nu[0], array.nu[1])
    expected = np.asarray(w) * ((t + 20.0) / 20.0) ** -nu
    np.testing.assert_allclose(noise.read(KEY, array, t), expected, rtol=1e-5)


def test_reads_differ_by_their_key_with_the_spread_of_the_formula():
    noise = dataclasses.replace(EXACT, read_noise_scale=1.0)
    array = noise.program(KEY, jnp.full(1, 0.5), 1.0)
    keys = jax.random.split(KEY, MANY)
    values = np.asarray(jax.jit(jax.vmap(lambda key: noise.read(key, array, 3600.0)))(keys))
    std = 0.5 * noise.read_std(12.5, 3600.0)
    np.testing.assert_allclose(values.mean(), 0.5, atol=4 * std / np.sqrt(MANY))
    np.testing.assert_allclose(values.std(), std, rtol=4 / np.sqrt(2 * MANY))


def test_without_any_noise_weights_stay_and_those_beyond_the_largest_are_clipped():
    w = jnp.array([[0.25, -2.0], [0.0, 1.0]])
    np.testing.assert_allclose(EXACT.read(KEY, EXACT.program(KEY, w), 1e6), w, atol=1e-6)
    clipped = EXACT.read(KEY, EXACT.program(KEY, w, 0.5), 1e6)
    np.testing.assert_allclose(clipped, np.clip(w, -0.5, 0.5), atol=1e-6)


def test_zero_weights_are_read_as_zero():
    noise = PCMNoise()
    array = noise.program(KEY, jnp.zeros((2, 3)))
    np.testing.assert_array_equal(noise.read(KEY, array, 10.0), np.zeros((2, 3)))


@pytest.mark.parametrize("case", ["pcm", "pcm_drift_only", "pcm_read_only", "pcm_scaled"])
def test_weights_over_time_as_recorded(recorded, case):
    settings, then = recorded("inference", case)
    times, reps = settings.pop("times"), settings.pop("reps")
    noise = PCMNoise(**settings)
    # Weights in units of the largest.
    array = programmed(noise, then["w"] / 0.8)
    assert len(array.nu[0]) == reps
    plus, minus = 0.8 * np.asarray(array.g * array.scale)
    close(plus - minus, then["programmed_mean"], then["programmed_std"], reps)
    for n, t in enumerate(times):
        w = READ(noise, jax.random.fold_in(KEY, 10 + n), array, t)
        close(0.8 * np.asarray(w), then["mean"][n], then["std"][n], reps)


def close(values, mean, std, reps):
    """Mean and spread within four standard errors of both samples; tails are nearly normal."""
    tolerance = 4 * np.sqrt(2 / reps)
    np.testing.assert_array_less(np.abs(values.mean(0) - mean), tolerance * std + 1e-5)
    np.testing.assert_array_less(np.abs(values.std(0) - std), 1.5 * tolerance * std + 1e-5)


def test_numbers_of_the_model_can_be_vmapped():
    def spread(scale):
        noise = dataclasses.replace(EXACT, prog_noise_scale=scale)
        return noise.read(KEY, noise.program(KEY, jnp.ones(100)), 0.0).std()

    none, one, two = jax.jit(jax.vmap(spread))(jnp.array([0.0, 0.1, 0.2]))
    assert none == 0.0
    np.testing.assert_allclose(two, 2 * one, rtol=1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"g_max": 0.0}, "PCMNoise.g_max must be a finite positive number, got 0.0"),
        ({"t_read": -1.0}, "PCMNoise.t_read must be a finite positive number, got -1.0"),
        ({"t0": 1e-9}, r"PCMNoise.t0 must be longer than a read, t_read = 2.5e-07 s, got 1e-09 s"),
        ({"read_max": np.nan}, "PCMNoise.read_max must be a finite number of at least 0, got nan"),
        ({"drift_scale": -1.0}, "PCMNoise.drift_scale must be a finite .* at least 0, got -1.0"),
        ({"prog_coeff": ()}, r"PCMNoise.prog_coeff must hold at least one number, got \(\)"),
        ({"nu_coeff": (1.0,)}, r"PCMNoise.nu_coeff must hold 2 numbers, got \(1.0,\)"),
        ({"read_coeff": (np.inf, 1.0)}, r"PCMNoise.read_coeff must hold finite numbers"),
        ({"g_max": 25e-6}, "PCMNoise.g_max is in microsiemens, .* got 2.5e-05: multiply siemens"),
        (
            {"read_coeff": (-0.1, 0.6)},
            r"read_coeff must begin with a factor of at least 0, got \(-",
        ),
        ({"prog_coeff": (0.2, -1.0, 0.9)}, "at least 0, got .*, which make -0.019 at r = 0.3"),
        ({"nu_range": (0.1, 0.05)}, r"PCMNoise.nu_range must be a least and a largest .* 0.05\)"),
    ],
)
def test_fields_out_of_range(fields, message):
    with pytest.raises(ValueError, match=message):
        PCMNoise(**fields).program(KEY, jnp.ones(2))


@pytest.mark.parametrize("w_max", [0.0, -1.0, np.inf])
def test_largest_weight_out_of_range(w_max):
    with pytest.raises(ValueError, match=f"w_max must be a finite positive number, got {w_max}"):
        PCMNoise().program(KEY, jnp.ones(2), w_max)


@pytest.mark.parametrize("t", [-1.0, np.nan, np.inf, 1e40])
def test_time_out_of_range(t):
    noise = PCMNoise()
    with pytest.raises(ValueError, match=re.escape(f"finite in float32 and at least 0, got {t}")):
        noise.read(KEY, noise.program(KEY, jnp.ones(2)), t)
