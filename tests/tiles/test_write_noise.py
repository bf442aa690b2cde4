"""Write noise: what a read gives beyond the weight that pulses move."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax
from analogjax.devices import OneSidedPair, Pair, SoftBounds
from analogjax.pulses import Factors
from analogjax.tiles import aged, effective_weight, program_stack, program_tile, read

NOISY = SoftBounds(dw_min=0.01, write_noise_std=3.0)
QUIET = dataclasses.replace(NOISY, write_noise_std=0.0)
SHAPE = (6, 4)
KEY = jax.random.key(2)
X = jax.random.normal(KEY, (3, *SHAPE[:1])).at[:, 0].set(0.0)  # The first line never pulses.
D = jax.random.normal(jax.random.key(3), (3, *SHAPE[1:]))


def train(rule, steps):
    params = {"w": jnp.full(SHAPE, 0.1)}
    factors = {"w": Factors(X, D)}

    def step(carry, _):
        params, state = carry
        updates, state = rule.update({"w": X.T @ D}, state, params, factors=factors)
        return ({"w": params["w"] + updates["w"]}, state), None

    run = jax.jit(lambda carry: jax.lax.scan(step, carry, length=steps)[0])
    return run((params, rule.init(params)))


def test_programmed_weights_are_read_with_the_spread_of_write_noise():
    stack = program_stack(KEY, [NOISY], jnp.full((100, 100), 0.2), jnp.ones(1))
    xi = np.asarray(effective_weight(stack) - stack.tiles[0].w) / 0.03
    assert abs(xi.mean()) < 4 / 100
    assert abs(xi.std() - 1) < 4 / np.sqrt(2e4)


def test_a_device_without_it_keeps_no_offset():
    stack = program_stack(KEY, [QUIET], jnp.full(SHAPE, 0.2), jnp.ones(1))
    assert stack.tiles[0].offset is None


def test_pulses_move_the_hidden_weight_alone_and_redraw_the_noise_where_they_go():
    rule, quiet = (analogjax.analog_sgd(0.05, device, key=4) for device in (NOISY, QUIET))
    start = rule.init({"w": jnp.full(SHAPE, 0.1)}).weights["w"].tiles[0]
    params, state = train(rule, 5)
    tile, plain = state.weights["w"].tiles[0], train(quiet, 5)[1].weights["w"].tiles[0]
    # The noise does not feed back into the pulses, here, where the factors are given.
    np.testing.assert_array_equal(tile.w, plain.w)
    np.testing.assert_array_equal(tile.offset[0], start.offset[0])
    assert (tile.offset[1:] != start.offset[1:]).all()
    np.testing.assert_allclose(params["w"], read(tile), atol=1e-6)


def test_ageing_redraws_the_noise_only_where_something_moved():
    """A pair is looked at for a refresh every step, and mostly needs none."""
    one = dataclasses.replace(NOISY.without_variation(), w_min=0.0, w_max=1.0)
    pair = OneSidedPair(device=dataclasses.replace(one, write_noise_std=3.0))
    w = Pair(jnp.array([[0.9, 0.1, 0.4]]), jnp.array([[0.8, 0.1, 0.9]]))
    tile = program_tile(KEY, pair, jnp.zeros((1, 3)))._replace(w=w)
    later = aged(jax.random.key(1), pair, tile)
    np.testing.assert_array_equal(later.offset != tile.offset, [[True, False, True]])
    moved = jax.tree.map(jnp.not_equal, later.w, w)
    np.testing.assert_array_equal(moved.plus | moved.minus, [[True, False, True]])


def test_the_noise_of_a_pair_is_that_of_both_conductances():
    pair = OneSidedPair(device=dataclasses.replace(NOISY, w_min=0.0))
    tile = program_tile(KEY, pair, jnp.full((100, 100), 0.2))
    xi = np.asarray(tile.offset) / (0.03 * np.sqrt(2))
    assert abs(xi.std() - 1) < 4 / np.sqrt(2e4)


@pytest.mark.parametrize("num_tiles", [2, 4])
def test_the_composite_weight_is_the_scaled_sum_of_what_is_read(num_tiles):
    periods = tuple(range(num_tiles - 1, 0, -1))
    rule = analogjax.residual_learning(
        0.1, NOISY, key=5, num_tiles=num_tiles, gamma=0.5, transfer_every=periods, transfer_lr=0.5
    )
    params, state = train(rule, 15)
    tiles = state.weights["w"].tiles
    total = sum(0.5**n * read(tile) for n, tile in enumerate(tiles))
    np.testing.assert_allclose(params["w"], total, atol=1e-6)
    assert all((tile.w[1:] != 0).any() for tile in tiles)
