"""Training in a pipeline against ordinary training and against a pipeline in plain NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from event_by_event import train
from networks import RATE, data, dense_layers, largest_difference, mean_rule, mean_square, network

from analogjax.nn import linen as ann
from analogjax.pipeline import Asynchronous, Sequential, Synchronous, cut, pipeline_training
from analogjax.pulses import BatchedPulses, ExpectedPulses

MODEL = network()
STEPS = 12


def run(stages, schedule, xs, ys, rule_of):
    training = pipeline_training(cut(MODEL, stages), rule_of, schedule, mean_square)
    start = training.init(jax.random.key(0), xs[0])
    return start, *jax.jit(training.run)(start, xs, ys)


def params_of(state):
    return state.model_variables()["params"]


@pytest.mark.parametrize(
    ("stages", "sizes", "schedule", "bound"),
    [
        (4, [1, 1, 1, 1], Asynchronous(), 1.0),
        (3, [2, 1, 1], Synchronous(2), np.inf),
        (1, [4], Asynchronous(), np.inf),
        (2, [2, 2], Asynchronous(), np.inf),
        (3, [2, 1, 1], Asynchronous(), np.inf),
        (4, [1, 1, 1, 1], Asynchronous(lambda stage, stages: stages - stage), np.inf),
        (3, [2, 1, 1], Asynchronous(lambda stage, stages: 3 if stage < stages else 1), np.inf),
        (2, [2, 2], Asynchronous(lambda stage, stages: 20), np.inf),  # Longer than the run.
        (3, [2, 1, 1], Sequential(), np.inf),
        (4, [1, 1, 1, 1], Synchronous(4), np.inf),
    ],
)
def test_the_scan_gives_the_weights_of_a_pipeline_event_by_event(stages, sizes, schedule, bound):
    xs, ys = data(STEPS)
    rule = mean_rule() if bound == 1 else optax.sgd(RATE)
    start, state, losses = run(stages, schedule, xs, ys, lambda stage: rule)
    layers, delays = dense_layers(params_of(start)), schedule.delays(stages)
    for seed in (0, 1):  # Whichever event comes first.
        options = {"rate": RATE, "bound": bound, "seed": seed}
        expected, expected_losses = train(
            layers, sizes, delays, schedule.micro_batches, xs, ys, **options
        )
        assert largest_difference(dense_layers(params_of(state)), expected) < 2e-6
        np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    assert largest_difference(params_of(state), params_of(start)) > 0.05


@functools.cache
def without_pipeline(rule, steps=STEPS):
    """Ordinary training of the whole model, one gradient of the mini-batch a step."""
    xs, ys = data(steps)
    params = MODEL.init(jax.random.split(jax.random.key(0))[0], xs[0])["params"]

    def step(carry, batch):
        params, opt_state = carry
        x, y = batch
        taps = ann.taps(MODEL, {"params": params}, x)

        def loss(params, taps):
            return mean_square(MODEL.apply({"params": params, "taps": taps}, x), y)

        value, (grads, factors) = jax.value_and_grad(loss, (0, 1))(params, taps)
        updates, opt_state = rule.update(grads, opt_state, params, value=value, factors=factors)
        return (optax.apply_updates(params, updates), opt_state), value

    start = params, rule.init(params)
    (params, _), losses = jax.jit(lambda: jax.lax.scan(step, start, (xs, ys)))()
    return params, losses


NOISY = mean_rule(pulses=ExpectedPulses(noise=True))
PULSED = mean_rule(pulses=BatchedPulses())


@pytest.mark.parametrize(
    ("schedule", "rule"),
    [
        (Asynchronous(lambda stage, stages: 0), NOISY),
        (Synchronous(2), NOISY),
        pytest.param(Sequential(), PULSED, marks=pytest.mark.slow),  # Long to compile.
    ],
)
def test_without_delay_a_pipeline_is_ordinary_training_on_mini_batches(schedule, rule):
    """Draws and all: the same devices, and the same pulses at the same steps."""
    params, losses = without_pipeline(rule)
    _, state, own_losses = run(3, schedule, *data(STEPS), lambda stage: rule)
    assert largest_difference(params_of(state), params) < 2e-6
    np.testing.assert_allclose(own_losses, losses, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", [Asynchronous(lambda stage, stages: 0), Sequential()])
def test_operation_by_operation_it_is_the_same_to_the_bit(schedule):
    """Compiled, the operations of either are joined in other ways, which round otherwise."""
    with jax.disable_jit():
        params, losses = without_pipeline(PULSED, steps=2)
        _, state, own_losses = run(3, schedule, *data(2), lambda stage: PULSED)
    assert largest_difference(params_of(state), params) == 0
    np.testing.assert_array_equal(own_losses, losses)


def test_losses_may_be_of_another_type_than_outputs():
    def loss(y, target):
        return mean_square(y, target).astype(jnp.bfloat16)

    xs, ys = data(STEPS)
    parts = cut(MODEL, 2), lambda stage: optax.sgd(0.1), Asynchronous()
    training = pipeline_training(*parts, loss)
    _, losses = jax.jit(training.run)(training.init(jax.random.key(0), xs[0]), xs, ys)
    assert losses.dtype == jnp.float32


def test_two_runs_go_on_from_each_other_where_nothing_is_in_flight():
    xs, ys = data(STEPS)
    rule = optax.adam(0.1)
    training = pipeline_training(cut(MODEL, 2), lambda stage: rule, Synchronous(2), mean_square)
    start = training.init(jax.random.key(0), xs[0])
    go_on = jax.jit(training.run)
    whole, _ = go_on(start, xs, ys)
    half, _ = go_on(start, xs[:6], ys[:6])
    both, _ = go_on(half, xs[6:], ys[6:])
    assert int(half.count) == 6
    assert largest_difference(params_of(both), params_of(whole)) < 1e-6


def test_stages_may_have_rules_of_their_own():
    xs, ys = data(STEPS)

    def rule_of(stage):
        return optax.sgd(0.0) if stage == 2 else optax.adam(0.01)

    start, state, _ = run(2, Asynchronous(), xs, ys, rule_of)
    assert largest_difference(state.params[1], start.params[1]) == 0
    assert largest_difference(state.params[0], start.params[0]) > 0.01
