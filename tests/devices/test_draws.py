"""Draws in one row: the numbers of ``jax.random`` itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.devices import draw_normal, draw_uniform

PAIRS = [
    (draw_normal, jax.random.normal),
    (
        functools.partial(draw_uniform, minval=-0.5),
        functools.partial(jax.random.uniform, minval=-0.5),
    ),
]


@pytest.mark.parametrize("shape", [(), (5,), (4, 3), (4, 3, 2)])
@pytest.mark.parametrize(("in_a_row", "plain"), PAIRS, ids=["normal", "uniform"])
def test_draws_in_a_row_are_those_of_jax(in_a_row, plain, shape):
    keys = jax.random.split(jax.random.key(3), 2)
    for dtype in (jnp.float32, jnp.bfloat16):
        drawn = jax.vmap(lambda key, dtype=dtype: in_a_row(key, shape, dtype))(keys)
        wanted = jnp.stack([plain(key, shape, dtype) for key in keys])
        assert drawn.dtype == dtype
        np.testing.assert_array_equal(drawn, wanted)


def test_corrupt_crosspoints_are_those_of_a_bernoulli_draw():
    key = jax.random.key(4)
    np.testing.assert_array_equal(
        draw_uniform(key, (40, 5)) < 0.3, jax.random.bernoulli(key, 0.3, (40, 5))
    )
