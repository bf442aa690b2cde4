"""Random words of the crosspoints, and the streams and numbers made of them.

Kolmogorov-Smirnov and chi-square tests fail a right program for one seed in 10,000.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from analogjax.pulses._words import draw_words, line_words, normal, stream, uniform

KEY = jax.random.key(21)
P_VALUE = 1e-4


def test_smallest_and_largest_word_give_numbers_within_0_and_1():
    ends = uniform(jnp.array([0, 2**32 - 1], jnp.uint32))
    assert 0 < ends[0] < 2**-32
    assert ends[1] == 1
    assert jnp.isfinite(normal(jnp.array([0, 2**32 - 1], jnp.uint32))).all()


@pytest.mark.parametrize("number", [None, 0, 1, 2, 3, 1000])
def test_every_stream_is_uniform_and_normal_on_demand(number):
    words = draw_words(KEY, (200_000,))
    words = words if number is None else stream(words, number)
    assert stats.kstest(uniform(words).astype(float), stats.uniform.cdf).pvalue > P_VALUE
    assert stats.kstest(normal(words).astype(float), stats.norm.cdf).pvalue > P_VALUE


def test_words_of_any_generator_are_uniform():
    words = draw_words(jax.random.key(5, impl="rbg"), (200_000,))
    assert stats.kstest(uniform(words).astype(float), stats.uniform.cdf).pvalue > P_VALUE


@pytest.mark.parametrize(("first", "second"), [(None, 0), (None, 1), (None, 2), (1, 2), (2, 3)])
def test_streams_are_independent_of_each_other(first, second):
    words = draw_words(KEY, (400_000,))
    pair = [words if n is None else stream(words, n) for n in (first, second)]
    bins = [np.minimum(np.asarray(uniform(part)) * 20, 19).astype(int) for part in pair]
    table = np.zeros((20, 20))
    np.add.at(table, tuple(bins), 1)
    assert stats.chi2_contingency(table).pvalue > P_VALUE


def test_streams_stay_uniform_where_the_word_itself_was_rare():
    # Crosspoints that get a pulse at a probability of 1e-4 are those with the smallest words.
    small = jnp.arange(0, 429_496, dtype=jnp.uint32)
    for number in (1, 2, 3):
        sample = np.asarray(uniform(stream(small, number)), float)
        assert stats.kstest(sample, stats.uniform.cdf).pvalue > P_VALUE
        assert abs(np.corrcoef(sample[1:], sample[:-1])[0, 1]) < 5 / np.sqrt(len(sample))


def of_crosspoints(key):
    return draw_words(key, (200, 300))


def of_lines(key):
    return line_words(key, jnp.arange(200)[:, None], jnp.arange(300), 0)


def of_slots(key):
    return line_words(key, jnp.uint32(7), jnp.arange(300), jnp.arange(200)[:, None])


@pytest.mark.parametrize("draw", [of_crosspoints, of_lines, of_slots])
def test_words_of_neighbours_and_of_different_keys_are_independent(draw):
    keys = jax.random.split(KEY, 50)
    words = np.asarray(jax.jit(jax.vmap(draw))(keys))
    values = np.asarray(uniform(words), float) - 0.5
    count = values.size
    for shift in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 2), (0, 0, 64), (1, 1, 1)):
        other = np.roll(values, shift, (0, 1, 2))
        # Products of two uniform numbers of variance 1/12.
        assert abs((values * other).sum()) < 4.5 * np.sqrt(count) / 12, shift
    # The variance of the sums over an array is that of so many independent numbers.
    sums = values.sum((1, 2)) / np.sqrt(values[0].size / 12)
    assert stats.kstest(sums, stats.norm.cdf).pvalue > P_VALUE


def test_every_bit_of_the_words_is_fair():
    words = np.asarray(draw_words(KEY, (1_000_000,)))
    for bit in range(32):
        ones = int(((words >> bit) & 1).sum())
        assert abs(ones - 500_000) < 4.5 * 500, bit
    assert len(np.unique(words)) == len(words)
