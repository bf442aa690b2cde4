"""Every rule on every device with settings drawn at random: what nothing may break.

Each drawn structure (rule, device, shape, whole numbers) is compiled once and run with several
drawn values (rates, device fields, seeds, signals): 100 configurations here, 2,000 as ``slow``.
"""

import dataclasses
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analogjax import devices
from analogjax.experiments._rules import RuleName, RuleSettings, make_optimizer
from analogjax.pulses import BatchedPulses, CoincidencePulses, ExpectedPulses
from analogjax.rules import AnalogState, nodes_of
from analogjax.tiles import TileStack, weight

STEPS, VALUES = 3, 10
RULES = [name for name in get_args(RuleName) if name != "digital-sgd"]
DEVICES = {
    "ConstantStep": devices.ConstantStep(),
    "ExpStep": devices.ExpStep(),
    "Ideal": devices.Ideal(),
    "LinearStep": devices.LinearStep(gamma_up=0.4, gamma_down=0.7),
    "PiecewiseStep": devices.PiecewiseStep(piecewise_up=(1.5, 0.2), piecewise_down=(0.1, 1.6)),
    "PowStep": devices.PowStep(pow_gamma=1.5),
    "PowStepReference": devices.PowStepReference(pow_gamma=1.5),
    "SoftBounds": devices.SoftBounds(),
    "SoftBoundsReference": devices.SoftBoundsReference(),
    "aging": devices.SoftBounds(lifetime=50.0, diffusion=0.01),
    "noisy reads": devices.SoftBounds(write_noise_std=0.1),
}
# Fields that are drawn, where a device has them.
FIELDS = {
    "dw_min": (1e-3, 1.0),
    "dw_min_std": (0.0, 2.0),
    "dw_min_dtod": (0.0, 1.0),
    "w_max_dtod": (0.0, 1.0),
    "up_down": (-0.5, 0.5),
    "up_down_dtod": (0.0, 0.5),
}
SCHEMES = (None, BatchedPulses(), CoincidencePulses(), ExpectedPulses(noise=True))


@dataclasses.dataclass(frozen=True)
class Structure:
    """What is compiled in."""

    rule: str
    device: str
    shape: tuple[int, int]
    batch: int
    num_tiles: int
    transfer_every: int
    reads_per_transfer: int
    warm_start: str
    scheme: int
    factors: bool


structures = st.builds(
    Structure,
    rule=st.sampled_from(RULES),
    device=st.sampled_from(sorted(DEVICES)),
    shape=st.tuples(st.integers(1, 7), st.integers(1, 5)),
    batch=st.integers(1, 4),
    num_tiles=st.integers(1, 4),
    transfer_every=st.integers(2, 3),
    reads_per_transfer=st.integers(1, 2),
    warm_start=st.sampled_from(["stages", "plateau", "none"]),
    scheme=st.integers(0, len(SCHEMES) - 1),
    factors=st.booleans(),
)
values = st.fixed_dictionaries(
    {
        "learning_rate": st.floats(0.0, 3.0, width=32),
        "transfer_lr": st.floats(0.0, 3.0, width=32),
        "scale": st.sampled_from([0.0, 1e-6, 0.1, 1.0, 30.0]),
        "seed": st.integers(0, 2**31 - 1),
        **{
            name: st.floats(low, high, allow_subnormal=False)
            for name, (low, high) in FIELDS.items()
        },
    }
)


def compiled(structure: Structure):
    """A function of the drawn values that makes some steps and gives what is to be checked."""
    base, (rows, columns) = DEVICES[structure.device], structure.shape
    drawn = [name for name in FIELDS if hasattr(base, name)]

    @jax.jit
    def steps(given):
        device = dataclasses.replace(base, **{name: given[name] for name in drawn})
        rule = RuleSettings(
            rule=structure.rule,
            num_tiles=structure.num_tiles,
            learning_rate=given["learning_rate"],
            transfer_lr=given["transfer_lr"],
            transfer_every=structure.transfer_every,
            reads_per_transfer=min(structure.reads_per_transfer, rows),
            warm_start=structure.warm_start,
        )
        key = jax.random.key(given["seed"])
        optimizer = make_optimizer(
            rule, device, key, epochs=1, steps_per_epoch=STEPS, pulses=SCHEMES[structure.scheme]
        )
        params = {"Dense_0": {"kernel": jax.random.normal(key, (rows, columns)) / 3}}

        def step(carry, n):
            params, state = carry
            key_x, key_d = jax.random.split(jax.random.fold_in(key, n))
            x = given["scale"] * jax.random.normal(key_x, (structure.batch, rows))
            d = jax.random.normal(key_d, (structure.batch, columns))
            extra = {"factors": {"Dense_0": {"kernel": (x, d)}}} if structure.factors else {}
            grads = {"Dense_0": {"kernel": x.T @ d}}
            updates, state = optimizer.update(grads, state, params, value=1.0 * n, **extra)
            return (jax.tree.map(jnp.add, params, updates), state), None

        start = params, optimizer.init(params)
        (params, state), _ = jax.lax.scan(step, start, jnp.arange(STEPS))
        (stack,) = nodes_of(state, TileStack)
        (count,) = (each.count for each in nodes_of(state, AnalogState))
        return params["Dense_0"]["kernel"], stack, [bounds(device, t) for t in stack.tiles], count

    return steps


def bounds(device, tile):
    """The least and the largest weight that each crosspoint can hold."""
    shape = weight(tile).shape
    ends = (device.program(tile.cells, jnp.full(shape, end)) for end in (-jnp.inf, jnp.inf))
    return [jnp.broadcast_to(weight(tile._replace(w=end)), shape) for end in ends]


def check(structure: Structure, steps, given):
    params, stack, ends, count = jax.device_get(steps(given))
    assert np.isfinite(params).all()
    assert count == STEPS
    for tile, (low, high) in zip(stack.tiles, ends, strict=True):
        w = np.asarray(weight(tile))
        assert np.isfinite(w).all()
        assert np.all((w >= low - 1e-6) & (w <= high + 1e-6))
    for counter in (stack.pulses, stack.reads, stack.trains):
        assert np.all(np.asarray(counter.total) >= 0)
    expected = isinstance(SCHEMES[structure.scheme], ExpectedPulses)
    if not expected:
        np.testing.assert_array_equal(stack.pulses.total, np.round(stack.pulses.total))
    assert np.all(stack.trains.total[:, 1] <= stack.trains.total[:, 0])
    parts = [
        scale * (np.asarray(weight(tile)) + (0.0 if tile.offset is None else tile.offset))
        for scale, tile in zip(stack.scales, stack.tiles, strict=True)
    ]
    np.testing.assert_allclose(params, sum(parts), rtol=1e-5, atol=1e-5)


def search(examples: int):
    @settings(
        deadline=None,
        max_examples=examples // VALUES,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # To make an example smaller takes a compilation each try.
    )
    @given(structures, st.lists(values, min_size=VALUES, max_size=VALUES))
    def one(structure, several):
        steps = compiled(structure)
        for each in several:
            check(structure, steps, each)

    one()


def test_forty_random_configurations():
    search(40)


@pytest.mark.slow
def test_two_thousand_random_configurations():
    search(2000)
