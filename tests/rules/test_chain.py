"""Transfers as turns of a loop are what they are one after another."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax
from analogjax.devices import SoftBounds
from analogjax.periphery import AnalogIO, mvm
from analogjax.rules._checks import device_list

DEVICE = SoftBounds.with_states(20, write_noise_std=0.3)
TILES, STEPS = 3, 48
X = jax.random.normal(jax.random.key(1), (STEPS, 8, 5))
D = 0.1 * jax.random.normal(jax.random.key(2), (STEPS, 8, 3))


def slow(settings):
    return pytest.param(settings, marks=pytest.mark.slow)


def weights_after(devices, **settings):
    """All that is kept of a matrix after some steps."""
    rule = analogjax.residual_learning(
        1.0, devices, key=0, num_tiles=TILES, transfer_lr=[0.5, 0.9], **settings
    )
    params = {"w": jnp.full((5, 3), 0.2)}

    def step(state, pair):
        x, d = pair
        factors = {"w": analogjax.pulses.Factors(x, d)}
        return rule.update({"w": x.T @ d}, state, params, factors=factors)[1], None

    state = jax.jit(lambda s: jax.lax.scan(step, s, (X, D))[0])(rule.init(params))
    return state.weights["w"]


@pytest.mark.parametrize(
    "settings",
    [
        {"reads_per_transfer": 2},
        slow({"warm_start": analogjax.Stages(10), "transfer_lines": "outputs"}),
        slow({"warm_start": analogjax.Stages(10), "warm_start_from": "last-but-one"}),
        slow({"warm_start": analogjax.Stages(10), "warm_start_from": "next", "chain": False}),
        slow({"transfer_read": functools.partial(mvm, io=AnalogIO()), "transfer_order": "random"}),
    ],
    ids=["chain", "last", "last-but-one", "next", "converters"],
)
def test_tiles_of_one_device_step_as_tiles_of_devices_of_their_own(settings):
    own = [dataclasses.replace(DEVICE) for _ in range(TILES)]
    one, each = (weights_after(d, transfer_every=2, **settings) for d in (DEVICE, own))
    assert len({id(device) for device in device_list(DEVICE, TILES)}) == 1  # A path of its own.
    assert len({id(device) for device in device_list(own, TILES)}) == TILES
    assert (one.pulses.total > 0).all()
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(each), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
