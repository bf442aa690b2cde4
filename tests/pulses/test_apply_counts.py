"""Given numbers of pulses, sent one after another in random order."""

import collections
import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from analogjax.devices import SoftBounds
from analogjax.pulses._apply_counts import PASSES, apply_counts
from analogjax.pulses._words import draw_words

KEY = jax.random.key(31)
P_VALUE = 1e-4


@jax.tree_util.register_static
class Recorder:
    """A stand-in for a device, whose weight writes down the pulses it gets."""

    num_normals = 1

    def __init__(self, write):
        self.write = write

    def pulse(self, cells, w, direction, xi):
        del cells, xi
        return jnp.where(direction == 0, w, self.write(w, direction > 0))


def recorded(write, up, down):
    words = draw_words(KEY, up.shape)
    w = jnp.zeros(up.shape)
    return np.asarray(jax.jit(lambda: apply_counts(words, Recorder(write), None, w, up, down))())


def test_up_pulses_alone_follow_the_closed_form_of_soft_bounds():
    device = SoftBounds(dw_min=0.1, w_max=0.8, w_min=-0.5).without_variation()
    cells = device.sample(KEY, (1, 12))
    up = jnp.arange(12)[None]
    start = jnp.full((1, 12), -0.2)
    w = apply_counts(draw_words(KEY, up.shape), device, cells, start, up, 0 * up)
    np.testing.assert_allclose(w, 0.8 - (0.8 + 0.2) * (1 - 0.1 / 0.8) ** np.arange(12.0)[None])
    w = apply_counts(draw_words(KEY, up.shape), device, cells, start, 0 * up, up)
    closed = -0.5 + (0.5 - 0.2) * (1 - 0.1 / 0.5) ** np.arange(12.0)[None]
    np.testing.assert_allclose(w, closed, rtol=1e-5)


def test_every_crosspoint_gets_its_own_numbers_of_pulses():
    up, down = jnp.array([[0, 3, 0, 7, 40]]), jnp.array([[0, 0, 5, 2, 40]])
    sent = recorded(lambda w, is_up: w + jnp.where(is_up, 1000, 1), up, down)
    np.testing.assert_array_equal(sent, 1000 * up + down)


def test_every_order_of_a_few_mixed_pulses_is_equally_likely():
    up, down = jnp.full(60_000, 3), jnp.full(60_000, 2)
    orders = recorded(lambda w, is_up: 2 * w + is_up, up, down).astype(int)
    possible = [sum(2**place for place in places) for places in itertools.combinations(range(5), 3)]
    seen = collections.Counter(orders.tolist())
    assert set(seen) == set(possible)
    assert stats.chisquare(list(seen.values())).pvalue > P_VALUE


def test_order_of_many_mixed_pulses_stays_random_to_the_end():
    # Each pulse adds 1, and an up pulse among the last 40 of 80 also adds 1024.
    def write(w, is_up):
        return w + 1 + jnp.where(is_up & (w % 1024 >= 40), 1024, 0)

    late_ups = recorded(write, jnp.full(60_000, 30), jnp.full(60_000, 50)).astype(int) // 1024
    law = stats.hypergeom(80, 30, 40)
    bins = np.arange(9, 22)
    observed = np.bincount(np.clip(late_ups, bins[0], bins[-1]) - bins[0], minlength=len(bins))
    expected = law.pmf(bins)
    expected[0], expected[-1] = law.cdf(bins[0]), law.sf(bins[-1] - 1)
    assert stats.chisquare(observed, expected * 60_000).pvalue > P_VALUE


def test_each_pulse_has_noise_of_its_own():
    device = SoftBounds(
        dw_min=0.001, dw_min_dtod=0.0, w_max_dtod=0.0, w_min_dtod=0.0, up_down_dtod=0.0,
        dw_min_std=0.5, w_max=100.0, w_min=-100.0,
    )  # fmt: skip
    shape = (40_000,)
    cells = device.sample(KEY, shape)
    up, down = jnp.full(shape, 6), jnp.full(shape, 3)
    w = apply_counts(draw_words(KEY, shape), device, cells, jnp.zeros(shape), up, down)
    law = stats.norm(0.003, 0.001 * 0.5 * np.sqrt(9))
    assert stats.kstest(np.asarray(w, float), law.cdf).pvalue > P_VALUE


def _array(shape):
    """Words, device, cells, weights and numbers of pulses, of which few crosspoints have many."""
    device = SoftBounds.with_states(10)
    up, down = (
        jax.random.poisson(jax.random.fold_in(KEY, n), 0.7, shape, jnp.int32) for n in range(2)
    )
    return draw_words(KEY, shape), device, device.sample(KEY, shape), jnp.zeros(shape), up, down


@pytest.mark.parametrize("shape", [(6, 7), (61, 70)])  # The larger one is finished in pieces.
def test_several_pulses_in_a_turn_give_the_same_weights(shape):
    array = _array(shape)
    one, several = (
        jax.jit(apply_counts, static_argnums=6)(*array, passes) for passes in (1, PASSES)
    )
    assert (one != array[3]).any()
    np.testing.assert_allclose(several, one, atol=1e-6)


@pytest.mark.parametrize("varied", ["words", "dw_min_std", "cells", "w", "up"])
def test_a_batch_of_arrays_that_differ_in_one_thing_gives_the_weights_of_each(varied):
    words, device, cells, w, up, down = _array((61, 70))
    arrays = {"words": words, "cells": cells, "w": w, "up": up, "dw_min_std": 0.3}

    def after(own):
        given = arrays | {varied: own}
        noisy = dataclasses.replace(device, dw_min_std=given["dw_min_std"])
        return apply_counts(
            *(given["words"], noisy, *(given[n] for n in ("cells", "w", "up")), down)
        )

    mirrored = jax.tree.map(
        lambda part: part // 2 if jnp.issubdtype(jnp.result_type(part), jnp.integer) else part / 2,
        arrays[varied],
    )
    pair = jax.tree.map(lambda *parts: jnp.stack(parts), arrays[varied], mirrored)
    together = jax.jit(jax.vmap(after))(pair)
    for n, own in enumerate(together):
        alone = jax.jit(after)(jax.tree.map(lambda part, n=n: part[n], pair))
        np.testing.assert_allclose(own, alone, atol=1e-6)
