"""Changing a state only if something is so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.pulses import change_if


def doubled(state):
    return jax.tree.map(lambda leaf: 2 * leaf, state)


@pytest.mark.parametrize("condition", [False, True])
def test_a_state_is_changed_once_or_not_at_all(condition):
    state = {"w": jnp.arange(3.0), "n": jnp.int32(4)}
    after = jax.jit(change_if, static_argnums=1)(jnp.asarray(condition), doubled, state)
    factor = 2 if condition else 1
    np.testing.assert_array_equal(after["w"], factor * state["w"])
    assert after["n"] == factor * 4


def test_each_state_of_a_batch_has_its_own_condition():
    states = jnp.arange(6.0).reshape(3, 2)
    after = jax.vmap(lambda c, state: change_if(c, doubled, state))(
        jnp.array([True, False, True]), states
    )
    np.testing.assert_array_equal(after, states * jnp.array([[2.0], [1.0], [2.0]]))
