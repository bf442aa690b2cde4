"""A rule defined outside the package is an ordinary optax transformation like the others."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

from analogjax.devices import Device, SoftBounds
from analogjax.pulses import ExpectedPulses, Factors
from analogjax.rules import analog_transformation
from analogjax.tiles import count_pulses, effective_weight, program_stack, replace_tile, written


@dataclasses.dataclass(frozen=True)
class OnlyEverySecondStep:
    """Analog SGD that skips every second mini-batch."""

    device: Device
    num_keys = 1

    def init(self, key, w):
        return program_stack(key, [self.device], w, jnp.ones(1))

    def step(self, keys, state, signal, learning_rate, count, stage):
        del stage
        rate = jnp.where(count % 2 == 1, learning_rate, 0.0)
        tile = state.tiles[0]
        sent = signal.send(ExpectedPulses(), keys[0], self.device, tile, rate)
        stack = replace_tile(state, 0, written(keys[0], self.device, tile, sent))
        return count_pulses(stack, 0, sent)

    def effective(self, state):
        return effective_weight(state)


def test_own_rule_trains_within_partition_and_under_vmap():
    device = SoftBounds.with_states(100).without_variation()
    x = jax.random.normal(jax.random.key(0), (3, 4, 5))
    d = jax.random.normal(jax.random.key(1), (3, 4, 2))
    params = {"kernel": jnp.full((5, 2), 0.3), "bias": jnp.zeros(2)}
    labels = {"kernel": "analog", "bias": "digital"}

    def run(rate):
        own = analog_transformation(rate, OnlyEverySecondStep(device), key=0)
        rule = optax.partition({"analog": own, "digital": optax.sgd(0.1)}, labels)

        def step(carry, batch):
            params, state = carry
            grads = {"kernel": jnp.einsum("bi,bo->io", *batch), "bias": jnp.ones(2)}
            factors = {"kernel": Factors(*batch)}
            updates, state = rule.update(grads, state, params, factors=factors)
            return (optax.apply_updates(params, updates), state), params["kernel"]

        return jax.lax.scan(step, (params, rule.init(params)), (x, d))[1]

    rates = jnp.array([0.01, 0.02])
    paths = jax.jit(jax.vmap(run))(rates)
    for rate, path in zip(rates, np.asarray(paths), strict=True):
        np.testing.assert_array_equal(path[0], path[1])
        change = -rate * jnp.einsum("bi,bo->io", x[1], d[1])
        size = rate * jnp.einsum("bi,bo->io", jnp.abs(x[1]), jnp.abs(d[1]))
        # Soft bounds of +-1: F = 1 and G = w.
        np.testing.assert_allclose(path[2], path[1] + change - size * path[1], rtol=0, atol=1e-6)


def test_outside_of_jit_a_step_is_traced_once_and_gives_the_same():
    device = SoftBounds.with_states(100)
    traced = []

    class Counted(OnlyEverySecondStep):
        def step(self, *args):
            traced.append(None)
            return super().step(*args)

    rule = analog_transformation(0.1, Counted(device), key=0)
    params = {"kernel": jnp.full((5, 2), 0.3)}
    grads = {"kernel": jnp.ones((5, 2))}
    state = rule.init(params)
    for _ in range(3):
        updates, state = rule.update(grads, state, params)
    assert len(traced) == 1
    again, jitted = rule.init(params), jax.jit(rule.update)
    for _ in range(3):
        same, again = jitted(grads, again, params)
    jax.tree.map(np.testing.assert_array_equal, updates, same)
