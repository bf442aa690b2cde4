"""A long run: the memory of the process stays as it is and nothing is compiled again."""

import os
from pathlib import Path

import jax
import pytest
from flax import linen as nn

from analogjax.devices import SoftBounds
from analogjax.experiments import Checkpoints, load
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._run import Hooks, run
from analogjax.nn import linen as ann

SETTLED = 100  # Epochs after which memory may grow no more.
MOST_GROWTH = 0.02


class OneLayer(nn.Module):
    @nn.compact
    def __call__(self, x):
        return ann.Dense(10)(x.reshape(x.shape[0], -1))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_a_hundred_thousand_steps_take_no_more_memory_and_compile_nothing(tmp_path):
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(event) if "backend_compile" in event else None
    )
    memory, compilations = [], []

    def on_epoch(epoch, metrics):
        memory.append(resident_bytes())
        compilations.append(len(compiled))

    result = run(
        RuleSettings(rule="residual-learning", num_tiles=3),
        OneLayer(),
        SoftBounds.with_states(4),
        load("digits", train_size=800),
        epochs=1000,
        batch_size=8,
        seeds=(0,),
        checkpoints=Checkpoints(directory=tmp_path, settings={}, every=50),
        hooks=Hooks(on_epoch=on_epoch),
    )
    assert len(result.seconds) * 100 == 100_000
    assert compilations[0] > 0
    assert compilations[-1] == compilations[SETTLED]
    assert max(memory) < (1 + MOST_GROWTH) * memory[SETTLED]
