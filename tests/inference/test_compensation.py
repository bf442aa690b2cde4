"""Drift compensation: one scale a matrix, exact where all devices have drifted alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.devices import PowerLawDrift
from analogjax.inference import DriftOnly, PCMNoise, compensate, program, read, responses
from analogjax.periphery import AnalogIO

KEY = jax.random.key(0)


def network():
    return {
        "Conv_0": {"kernel": jax.random.normal(KEY, (3, 3, 2, 4)), "bias": jnp.ones(4)},
        "Dense_0": {"kernel": 0.1 * jax.random.normal(jax.random.key(1), (8, 3))},
    }


def test_response_is_the_summed_magnitude_of_the_outputs_to_each_line_alone():
    found = responses(None, network())
    for name, layer in (("Conv_0/kernel", "Conv_0"), ("Dense_0/kernel", "Dense_0")):
        matrix = np.asarray(network()[layer]["kernel"]).reshape(-1, 4 if "Conv" in name else 3)
        lines = np.eye(len(matrix))
        np.testing.assert_allclose(found[name].total, np.abs(lines @ matrix).sum(), rtol=1e-5)


@pytest.mark.parametrize("io", [None, AnalogIO.perfect()])
def test_scale_is_restored_exactly_where_all_devices_drift_alike(io):
    noise = DriftOnly(drift=PowerLawDrift(nu=0.1, nu_dtod=0.0))
    deployed = program(KEY, noise, network())
    reference = responses(None, read(KEY, noise, deployed, 0.0), io=io)
    faded = read(KEY, noise, deployed, 3.2e7)
    ratio = faded["Dense_0"]["kernel"] / network()["Dense_0"]["kernel"]
    np.testing.assert_allclose(ratio, 3.2e7**-0.1, rtol=1e-4)
    back = compensate(None, faded, reference, io=io)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5), back, network())


def test_mean_scale_is_restored_where_devices_differ():
    noise = PCMNoise()
    params = {"kernel": jax.random.normal(KEY, (64, 64))}
    deployed = program(KEY, noise, params)
    new, faded = (read(jax.random.key(n), noise, deployed, t) for n, t in ((1, 0.0), (2, 3.2e7)))
    back = compensate(None, faded, responses(None, new))["kernel"]
    np.testing.assert_allclose(jnp.abs(back).sum(), jnp.abs(new["kernel"]).sum(), rtol=1e-5)
    error = [jnp.abs(w - params["kernel"]).mean() for w in (back, faded["kernel"])]
    assert error[0] < 0.5 * error[1]


def test_converters_make_the_scale_noisy_but_right():
    faded = {"kernel": jax.random.normal(KEY, (32, 16))}
    new = jax.tree.map(lambda w: 2 * w, faded)
    io = AnalogIO(out_noise=0.02)
    back = compensate(jax.random.key(1), faded, responses(KEY, new, io=io), io=io)
    ratio = np.asarray(back["kernel"] / new["kernel"])
    assert ratio.std() < 1e-6
    assert 1e-5 < abs(ratio.mean() - 1) < 0.05


@pytest.mark.parametrize(("io", "scale"), [(None, 1.0), (AnalogIO(), 0.8)])
def test_noise_of_the_reads_does_not_fade_and_leaves_weak_weights_too_small(io, scale):
    new = {"kernel": jax.random.normal(KEY, (256, 64))}
    faded = jax.tree.map(lambda w: 0.3 * w, new)
    back = compensate(jax.random.key(1), faded, responses(KEY, new, io=io), io=io)
    found = jnp.linalg.norm(back["kernel"]) / jnp.linalg.norm(new["kernel"])
    np.testing.assert_allclose(found, scale, rtol=1e-5 if io is None else 0.05)


def test_matrices_without_a_reference_and_those_of_zeros_are_left_alone():
    faded = jax.tree.map(lambda w: 0.5 * w, network())
    reference = responses(None, network())
    del reference["Conv_0/kernel"]
    back = compensate(None, faded, reference)
    np.testing.assert_array_equal(back["Conv_0"]["kernel"], faded["Conv_0"]["kernel"])
    zeros = {"kernel": jnp.zeros((2, 2))}
    np.testing.assert_array_equal(compensate(None, zeros, responses(None, zeros))["kernel"], 0.0)


def test_a_reference_of_another_network():
    with pytest.raises(ValueError, match="reference has 'Conv_0/kernel', but the parameters are"):
        compensate(None, {"Dense_0": network()["Dense_0"]}, responses(None, network()))


def test_sums_of_half_precision_do_not_overflow():
    w = 0.1 * jax.random.normal(KEY, (1024, 1024), jnp.float16)
    back = compensate(None, {"kernel": 0.5 * w}, responses(None, {"kernel": w}))["kernel"]
    assert back.dtype == jnp.float16
    np.testing.assert_allclose(back, w, rtol=2e-2)
