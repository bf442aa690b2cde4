"""A pipeline over several devices gives the numbers of the simulation on one."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from networks import mean_rule, mean_square, network

from analogjax.pipeline import Sequential, cut, pipeline_training

CODE = """
import jax
jax.config.update("jax_num_cpu_devices", 3)
import numpy as np
from networks import data, largest_difference, mean_rule, mean_square, network
from analogjax.pipeline import Asynchronous, Synchronous, cut, pipeline_training
from analogjax.pulses import ExpectedPulses

def numbers(leaf):
    is_key = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf).astype(float) if is_key else leaf

def compare(stages, schedule, noise):
    rule = mean_rule(pulses=ExpectedPulses(noise=noise))
    xs, ys = data(9)
    parts = cut(network((5, 3, 2)), stages), lambda stage: rule, schedule, mean_square
    simulated = pipeline_training(*parts)
    real = pipeline_training(*parts, devices=jax.devices()[:stages])
    state = simulated.init(jax.random.key(0), xs[0])
    one, other = (jax.tree.map(numbers, jax.jit(t.run)(state, xs, ys)) for t in (simulated, real))
    (one, losses), (other, same) = one, other
    assert largest_difference((one.params, losses), (other.params, same)) < 1e-6
    # Counts of pulses are in the thousands.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-3), one, other)
    print("moved by", largest_difference(one.params, state.params))
"""


@pytest.mark.parametrize(
    "case",
    ["3, Asynchronous(), False", pytest.param("2, Synchronous(2), True", marks=pytest.mark.slow)],
)
def test_devices_give_the_numbers_of_the_simulation(case):
    """All of the state: parameters, tiles, counters and keys; and the losses."""
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", f"{CODE}\ncompare({case})"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.removeprefix("moved by ")) > 0.05


@pytest.mark.parametrize("number", [1, 3])
def test_another_number_of_devices_is_refused(number):
    same = number * jax.devices()[:1]
    with pytest.raises(ValueError, match=rf"3 stages needs .* got {number} \(1 different\)"):
        pipeline_training(cut(network(), 3), mean_rule, Sequential(), mean_square, devices=same)
