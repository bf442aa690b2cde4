"""Pairs of conductances that can only be raised."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learning import SHAPE, TARGET, learned

import analogjax
from analogjax import presets
from analogjax.devices import ConstantStep, Frozen, OneSidedPair, Pair, SoftBounds
from analogjax.pulses import BatchedPulses, CoincidencePulses, ExpectedPulses
from analogjax.tiles import read

KEY = jax.random.key(9)
ONE = SoftBounds(dw_min=0.01, w_max=1.0, w_min=0.0).without_variation()
PAIR = OneSidedPair(device=ONE)


def test_pulses_of_either_direction_raise_a_conductance_by_its_own_step():
    cells = PAIR.sample(KEY, SHAPE)
    w = Pair(jnp.full(SHAPE, 0.5), jnp.full(SHAPE, 0.2))
    up, down = PAIR.response(cells, w)
    np.testing.assert_allclose(up, 0.5, rtol=1e-5)
    np.testing.assert_allclose(down, 0.8, rtol=1e-5)
    raised, lowered = (PAIR.apply_pulse(None, cells, w, direction) for direction in (1, -1))
    np.testing.assert_allclose(cells.weight(raised) - cells.weight(w), 0.01 * up, rtol=1e-4)
    np.testing.assert_allclose(cells.weight(lowered) - cells.weight(w), -0.01 * down, rtol=1e-4)
    np.testing.assert_array_equal(raised.minus, w.minus)
    np.testing.assert_array_equal(lowered.plus, w.plus)


def test_programmed_weight_is_on_the_conductance_of_its_sign():
    cells = PAIR.sample(KEY, SHAPE)
    w = PAIR.program(cells, TARGET)
    np.testing.assert_allclose(cells.weight(w), TARGET)
    assert float(jnp.minimum(*w).max()) == 0.0


def test_refresh_resets_what_is_nearly_full_and_keeps_its_weight():
    device = dataclasses.replace(PAIR, device=dataclasses.replace(ONE, reset_std=0.0))
    cells, ageing = device.sample(KEY, (1, 4)), device.sample_ageing(KEY, (1, 4))
    w = Pair(jnp.array([[0.9, 0.9, 0.3, 0.7]]), jnp.array([[0.8, 0.2, 0.8, 0.7]]))
    after = jax.jit(device.apply_ageing)(KEY, cells, ageing, w)
    # The nearest that pulses of soft bounds come to 0.1 and to -0.5.
    np.testing.assert_allclose(after.plus, [[1 - 0.99**10, 0.9, 0.0, 0.7]], atol=1e-6)
    np.testing.assert_allclose(after.minus, [[0.0, 0.2, 1 - 0.99**69, 0.7]], atol=1e-6)


def test_refreshed_phase_change_memory_holds_what_it_held():
    device = OneSidedPair(device=presets.pcm())
    shape = (60, 60)
    cells, ageing = device.sample(KEY, shape), device.sample_ageing(KEY, shape)
    w = Pair(jnp.full(shape, 1.8), jnp.full(shape, 1.0))
    after = device.apply_ageing(KEY, cells, ageing, w)
    refreshed = np.asarray(after.minus < 0.5)
    assert refreshed.mean() > 0.5
    # Within part of a step of 0.28 from empty, noisy by 0.6 of it; 1.34 without reads between.
    held = np.asarray(cells.weight(after))[refreshed]
    assert abs(held.mean() - 0.8) < 0.1
    still = Frozen(device=device).apply_ageing(KEY, cells, ageing, w)
    np.testing.assert_array_equal(still.plus, w.plus)
    np.testing.assert_array_equal(still.minus, w.minus)


def test_a_pair_has_the_states_of_the_range_that_pulses_reach():
    assert OneSidedPair(device=ConstantStep(dw_min=0.1, w_max=1.0, w_min=-1.0)).n_states == 20
    assert PAIR.n_states == 200


VARIED = SoftBounds(dw_min=0.01, w_max=1.0, w_min=0.0)
MEMORY = presets.pcm(dw_min_std=0.3, dw_min_std_add=0.0, dw_min_std_slope=0.0)
RULES = {
    "analog_sgd": (MEMORY, {}),
    "tiki_taka": (VARIED, {"gamma": 0.5, "transfer_lr": 0.1}),
    "mixed_precision": (MEMORY, {}),
    "residual_learning": (VARIED, {"num_tiles": 2, "transfer_every": 1}),
}


@pytest.mark.parametrize("rule", RULES)
def test_pairs_learn_under_every_rule(rule):
    device, settings = RULES[rule]
    learn = getattr(analogjax, rule)(0.05, OneSidedPair(device=device), key=1, **settings)
    weights, path = learned(learn)
    assert float(jnp.abs(path[-200:].mean(0) - TARGET).max()) < 0.06
    stack = getattr(weights, "stack", weights)
    first = stack.tiles[0].w
    assert isinstance(first, Pair)
    assert float(jnp.minimum(*jax.tree.map(jnp.min, first))) >= 0.0
    if rule == "analog_sgd":
        np.testing.assert_allclose(path[-1], read(stack.tiles[0]), atol=1e-6)


@pytest.mark.parametrize("scheme", [CoincidencePulses(), BatchedPulses()])
def test_every_pulsed_scheme_sends_up_and_down_pulses_to_their_conductances(scheme):
    cells = PAIR.sample(KEY, (2, 2))
    start = Pair(jnp.zeros((2, 2)), jnp.zeros((2, 2)))
    x, d = jnp.ones((3, 2)), jnp.array([[0.5, -0.5]] * 3)

    def send(key):
        return scheme.send(key, PAIR, cells, start, x, d, 0.1)

    sent = jax.vmap(send)(jax.random.split(KEY, 200))
    # 15 pulses on average, whose spread over 200 repetitions is below 0.3.
    np.testing.assert_allclose(sent.down.mean(0), [[15.0, 0.0]] * 2, atol=1.2)
    closed = 1 - 0.99 ** np.asarray(sent.down)
    np.testing.assert_allclose(sent.w.minus, closed, atol=1e-5)
    np.testing.assert_allclose(sent.w.plus, 1 - 0.99 ** np.asarray(sent.up), atol=1e-5)


def test_expected_pulses_say_that_they_follow_one_conductance():
    cells = PAIR.sample(KEY, (2, 2))
    start = PAIR.program(cells, jnp.zeros((2, 2)))
    with pytest.raises(ValueError, match="OneSidedPair has several: use BatchedPulses"):
        ExpectedPulses().send(KEY, PAIR, cells, start, jnp.ones((1, 2)), jnp.ones((1, 2)), 0.1)


@pytest.mark.slow
def test_vmap_over_fields_of_the_conductances_equals_a_loop():
    def end(dw_min):
        device = OneSidedPair(device=dataclasses.replace(MEMORY, dw_min=dw_min))
        return learned(analogjax.analog_sgd(0.05, device, key=1), steps=20)[1][-1]

    steps = jnp.array([0.01, 0.02])
    swept = jax.vmap(end)(steps)
    for i, dw_min in enumerate(steps):
        np.testing.assert_allclose(swept[i], end(dw_min), atol=1e-5)


def test_a_pair_has_no_symmetric_point_of_its_own():
    with pytest.raises(ValueError, match="OneSidedPair has several conductances"):
        PAIR.symmetric_point(PAIR.sample(KEY, SHAPE))
