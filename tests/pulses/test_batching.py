"""A loop over the elements of a batch of arrays gives what a loop over each array gives."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.pulses._batching import elementwise

SHAPE = (3, 4)
KEY = jax.random.key(5)


def halvings(w, scale, table):
    """How often each element must be halved to fall below ``scale * table[0]``."""

    def body(carry):
        w, n = carry
        go = w > scale * table[0]
        return jnp.where(go, w / 2, w), n + go

    start = jnp.broadcast_to(w, jnp.broadcast_shapes(w.shape, jnp.shape(scale)))
    zero = jnp.zeros(start.shape, jnp.int32)
    return jax.lax.while_loop(
        lambda carry: jnp.any(carry[0] > scale * table[0]), body, (start, zero)
    )[1]


W = jnp.exp(3 * jax.random.normal(KEY, (2, 5, *SHAPE)))
SCALE = jnp.array([0.1, 1.0, 3.0, 0.5, 2.0])
TABLE = jnp.array([[1.0, 7.0], [2.0, 7.0], [0.5, 7.0], [3.0, 7.0], [0.2, 7.0]])


@pytest.mark.parametrize("axes", list(itertools.product((0, None), repeat=3))[:-1])
def test_any_combination_of_batched_arguments_equals_a_loop(axes):
    full = zip((W[0], SCALE, TABLE), axes, strict=True)
    args = [arg if axis == 0 else arg[1] for arg, axis in full]
    swept = jax.jit(jax.vmap(elementwise(halvings), axes))(*args)
    for i in range(5):
        one = [arg[i] if axis == 0 else arg for arg, axis in zip(args, axes, strict=True)]
        np.testing.assert_array_equal(swept[i], halvings(*one))
    assert swept.shape == (5, *SHAPE)


def test_nested_vmap_equals_nested_loops():
    inner = jax.vmap(elementwise(halvings), (0, 0, None))
    swept = jax.jit(jax.vmap(inner, (0, None, None)))(W, SCALE, TABLE[0])
    for i, j in itertools.product(range(2), range(5)):
        np.testing.assert_array_equal(swept[i, j], halvings(W[i, j], SCALE[j], TABLE[0]))


def test_the_whole_batch_is_one_array_of_one_loop():
    text = jax.jit(jax.vmap(elementwise(halvings), (0, 0, None))).lower(W[0], SCALE, TABLE[0])
    plain = jax.jit(jax.vmap(halvings, (0, 0, None))).lower(W[0], SCALE, TABLE[0])
    # A batched loop restores what is finished: more selections than the loop itself has.
    assert text.as_text().count("select") < plain.as_text().count("select")


def test_what_is_known_before_anything_runs_stays_known():
    seen = []

    @elementwise
    def record(w, number):
        seen.append(number)
        return w

    jax.jit(jax.vmap(lambda w: record(w, 0.25)))(W[0])
    assert seen == [0.25] * len(seen)
