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

rule = mean_rule(pulses=ExpectedPulses(noise=True))
xs, ys = data(9)
for stages, schedule in (
    (3, Asynchronous()),
    (2, Synchronous(2)),
):
    parts = cut(network(), stages), lambda stage: rule, schedule, mean_square
    simulated = pipeline_training(*parts)
    real = pipeline_training(*parts, devices=jax.devices()[:stages])
    state = simulated.init(jax.random.key(0), xs[0])
    (one, losses), (other, same) = (jax.jit(t.run)(state, xs, ys) for t in (simulated, real))
    keys = [jax.random.key_data(after.key) for after in (one, other)]
    apart = largest_difference(
        (one.params, keys[0], one.count, losses), (other.params, keys[1], other.count, same)
    )
    moved = largest_difference(one.params, state.params)
    same_tree = jax.tree.structure(one.opt_state) == jax.tree.structure(other.opt_state)
    print(stages, apart < 1e-6, moved > 0.05, same_tree)
"""


def test_devices_give_the_numbers_of_the_simulation():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [f"{n} True True True" for n in (3, 2)]


@pytest.mark.parametrize("number", [1, 3])
def test_another_number_of_devices_is_refused(number):
    same = number * jax.devices()[:1]
    with pytest.raises(ValueError, match=rf"3 stages needs .* got {number} \(1 different\)"):
        pipeline_training(cut(network(), 3), mean_rule, Sequential(), mean_square, devices=same)
