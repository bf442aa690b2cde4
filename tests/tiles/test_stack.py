"""Stacks of tiles: the weight they stand for, and the pulses they count."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.devices import ConstantStep, SoftBounds
from analogjax.pulses import Sent
from analogjax.tiles import (
    Counter,
    count_pulses,
    count_reads,
    count_trains,
    effective_weight,
    program_stack,
    put_lines,
    replace_lines,
    replace_tile,
    take_lines,
)

KEY = jax.random.key(8)
SHAPE = (7, 4)


def stack_of(num_tiles, w, **fields):
    scales = 0.6 ** jnp.arange(num_tiles)
    devices = [SoftBounds.with_states(10, **fields)] * num_tiles
    return program_stack(KEY, devices, w, scales)


@pytest.mark.parametrize("axis", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("num_tiles", [1, 2, 3, 6])
def test_effective_weight_is_the_scaled_sum_after_any_replacements(num_tiles, axis):
    stack = stack_of(num_tiles, jax.random.uniform(KEY, SHAPE, minval=-1))
    rng = np.random.default_rng(num_tiles)
    replace = jax.jit(replace_lines, static_argnums=(1, 4))
    shadow = [np.asarray(tile.w) for tile in stack.tiles]
    sent_up = np.zeros(num_tiles)
    for _ in range(60):
        n = int(rng.integers(num_tiles))
        if n == num_tiles - 1:
            w = rng.normal(size=SHAPE).astype(np.float32)
            up = rng.integers(9, size=SHAPE)
            sent = Sent.summed(jnp.asarray(w), jnp.asarray(up), jnp.ones(SHAPE))
            stack = replace_tile(stack, n, stack.tiles[n]._replace(w=sent.w))
            shadow[n] = w
        else:
            first, reads = int(rng.integers(SHAPE[axis])), int(rng.choice([1, 3]))
            lines = (first + np.arange(reads)) % SHAPE[axis]
            w = rng.normal(size=(reads, SHAPE[1 - axis])).astype(np.float32)
            up = rng.integers(9, size=w.shape)
            sent = Sent.summed(jnp.asarray(w), jnp.asarray(up), jnp.ones(w.shape))
            # The lines as rows, in a view of the shadow.
            shadow[n] = shadow[n].copy()
            view = shadow[n].T if axis else shadow[n]
            part = take_lines(stack.tiles[n], first, reads, axis)
            np.testing.assert_array_equal(part.w, view[lines])
            stack = replace(stack, n, jnp.int32(first), part._replace(w=sent.w), axis)
            view[lines] = w
        stack = count_pulses(stack, n, sent)
        sent_up[n] += up.sum()
        total = sum(0.6**k * w.astype(float) for k, w in enumerate(shadow))
        np.testing.assert_allclose(effective_weight(stack), total, atol=1e-6)
    for tile, w in zip(stack.tiles, shadow, strict=True):
        np.testing.assert_array_equal(tile.w, w)
    np.testing.assert_array_equal(stack.pulses.total[:, 0], sent_up)


@pytest.mark.parametrize("num_tiles", [1, 2, 3, 6])
def test_programmed_weight_is_on_the_most_significant_tile_clipped_to_its_bounds(num_tiles):
    w = 2.0 * jax.random.normal(KEY, SHAPE)
    stack = stack_of(num_tiles, w, w_max_dtod=0.1, w_min_dtod=0.1)
    cells = stack.tiles[0].cells
    np.testing.assert_array_equal(stack.tiles[0].w, jnp.clip(w, cells.w_min, cells.w_max))
    np.testing.assert_allclose(effective_weight(stack), stack.tiles[0].w, atol=1e-7)
    assert not any(tile.w.any() for tile in stack.tiles[1:])
    assert not stack.pulses.total.any()


def test_tiles_of_one_stack_have_crosspoints_of_their_own():
    stack = stack_of(3, jnp.zeros(SHAPE))
    steps = [np.ravel(tile.cells.step_up) for tile in stack.tiles]
    assert len(np.unique(np.concatenate(steps))) == 3 * np.prod(SHAPE)


@pytest.mark.parametrize("axis", [0, 1])
def test_lines_come_in_cyclic_order_with_the_constants_of_their_crosspoints(axis):
    stack = stack_of(2, jax.random.uniform(KEY, SHAPE), w_min_dtod=0.0)
    tile, size = stack.tiles[0], SHAPE[axis]
    for first, lines in ((2, [2]), (0, [0, 1, 2]), (size - 2, [size - 2, size - 1, 0])):
        part = take_lines(tile, first, len(lines), axis)
        for taken, whole in ((part.w, tile.w), (part.cells.step_up, tile.cells.step_up)):
            np.testing.assert_array_equal(taken, (whole.T if axis else whole)[jnp.array(lines)])
        np.testing.assert_array_equal(put_lines(tile.w, first, part.w, axis), tile.w)
    cells = ConstantStep().without_variation().sample(KEY, SHAPE)
    assert take_lines(cells, 0, 2, axis) == cells


def test_reads_are_counted_tile_by_tile():
    stack = stack_of(3, jnp.zeros(SHAPE))
    for tile, lines in ((2, 4), (1, 1), (2, 4)):
        stack = jax.jit(count_reads, static_argnums=2)(stack, tile, lines)
    np.testing.assert_array_equal(stack.reads.total, [0, 1, 8])


def test_trains_are_counted_tile_by_tile_where_there_are_any():
    stack, none = stack_of(3, jnp.zeros(SHAPE)), jnp.zeros(SHAPE)
    for tile, pairs, cut, slots in ((2, 8, 1.0, 31.0), (1, 1, 0.0, 4.0), (2, 8, 2.0, 7.0)):
        sent = Sent.summed(none, none, none)._replace(cut=cut, slots=slots)
        stack = count_trains(stack, tile, pairs, sent)
    stack = count_trains(stack, 0, 8, Sent.summed(none, none, none))
    np.testing.assert_array_equal(stack.trains.total, [[0, 0, 0], [1, 0, 4], [16, 3, 38]])


def exact(counter):
    """What a counter stands for, as Python ints."""
    return [
        int(total) + int(missing)
        for total, missing in zip(counter.total.tolist(), counter.missing.tolist(), strict=True)
    ]


def test_counter_is_exact_far_beyond_the_integers_of_float32():
    rng = np.random.default_rng(0)
    amounts = rng.integers(0, [2, 1000, 2**20, 2**23], size=(20_000, 4))
    amounts[:, 0] = 1
    start = Counter(jnp.array([2.0**24, 0, 0, 0]), jnp.zeros(4))
    add = jax.jit(
        functools.partial(jax.lax.scan, lambda counter, amount: (counter.add(amount), None))
    )
    counter, _ = add(start, jnp.asarray(amounts, jnp.float32))
    expected = [2**24 * (column == 0) + int(amounts[:, column].sum()) for column in range(4)]
    assert exact(counter) == expected
    assert expected[3] > 2**36
    np.testing.assert_allclose(counter.total, np.array(expected, float), rtol=2**-23)
