"""A matrix that a rule learns, for devices of several conductances."""

import jax
import jax.numpy as jnp

from analogjax.pulses import Factors

SHAPE = (4, 3)
TARGET = jnp.array([[0.3, -0.2, 0.1], [-0.4, 0.1, 0.0], [0.2, 0.25, -0.3], [0.1, -0.1, 0.35]])


def learned(rule, steps=600):
    """The rule's state of the matrix at the end, and the matrix after every step."""
    params = {"w": jnp.zeros(SHAPE)}

    def step(carry, _):
        params, state = carry
        d = params["w"] - TARGET
        updates, state = rule.update({"w": d}, state, params, factors={"w": Factors(jnp.eye(4), d)})
        params = {"w": params["w"] + updates["w"]}
        return (params, state), params["w"]

    run = jax.jit(lambda carry: jax.lax.scan(step, carry, length=steps))
    (_, state), path = run((params, rule.init(params)))
    return state.weights["w"], path
