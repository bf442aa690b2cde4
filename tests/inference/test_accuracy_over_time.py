"""A metric over times and repetitions is what single reads give."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.devices import PowerLawDrift
from analogjax.inference import DriftOnly, PCMNoise, accuracy_over_time, program

KEY, NOISE, TIMES = jax.random.key(0), PCMNoise(), [0.0, 3600.0, 3.2e7]
PARAMS = {"kernel": jax.random.normal(KEY, (16, 8)), "bias": jnp.ones(8)}


def size(params):
    return jnp.abs(params["kernel"]).mean()


def deploy(noise=NOISE):
    return functools.partial(program, noise=noise, params=PARAMS)


@functools.partial(jax.jit, static_argnames=("repeats", "compensated"))
def over_time(repeats=3, compensated=False):
    return accuracy_over_time(
        KEY, NOISE, deploy(), TIMES, size, repeats=repeats, compensated=compensated
    )


def test_weights_fade_and_compensation_holds_them():
    faded, held = over_time(), over_time(compensated=True)
    assert faded.shape == held.shape == (3, 3)
    assert (jnp.diff(faded, axis=1) < -0.05).all()
    np.testing.assert_allclose(held, jnp.tile(held[:, :1], 3), rtol=1e-5)
    assert len(set(faded[:, 0].tolist())) == 3


def test_the_law_of_equal_devices():
    noise = DriftOnly(drift=PowerLawDrift(nu=0.1, nu_dtod=0.0))
    found = accuracy_over_time(KEY, noise, deploy(noise), TIMES, size, repeats=1)
    expected = np.abs(PARAMS["kernel"]).mean() * (1 + np.asarray(TIMES)) ** -0.1
    np.testing.assert_allclose(found[0], expected, rtol=1e-4)


def test_more_repetitions_change_none_of_the_first():
    np.testing.assert_allclose(over_time(2), over_time(3)[:2], rtol=1e-5)


@pytest.mark.parametrize(
    ("times", "repeats", "message"),
    [
        ([-1.0], 1, "seconds since the end of programming"),
        ([], 1, r"times must be a list of numbers, got an array of shape \(0,\)"),
        (1.0, 1, r"times must be a list of numbers, got an array of shape \(\)"),
        ([1e40], 1, "finite in float32"),
        ([1.0], 0, "repeats must be a whole number of at least 1, got 0"),
        ([1.0], 2.5, "repeats must be a whole number of at least 1, got 2.5"),
    ],
)
def test_arguments_out_of_range(times, repeats, message):
    with pytest.raises(ValueError, match=message):
        accuracy_over_time(KEY, NOISE, deploy(), times, size, repeats=repeats)
