"""Random words and the pulse counts drawn from them.

Kolmogorov-Smirnov and chi-square tests fail a right program for one seed in 10,000.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import SIGMAS, mean_score
from scipy import stats

from analogjax.pulses._sampling import draw_counts
from analogjax.pulses._words import draw_words, normal, stream, uniform

KEY = jax.random.key(21)
P_VALUE = 1e-4

count = jax.jit(draw_counts)


def binomial(mean, prob):
    """The law that is asked for: a whole number of trials, at least mean / prob."""
    if prob == 0:
        return stats.poisson(mean)
    trials = int(np.ceil(mean / prob - 1e-3))
    return stats.binom(trials, mean / trials)


LAWS = [
    (0.03, 0.03), (0.3, 0.1), (0.9, 0.9), (3.0, 0.3), (9.0, 0.9), (30.0, 31 / 32), (31.0, 1.0),
    (5.0, 0.77), (0.02, 0.0), (2.0, 0.0), (20.0, 0.4), (59.0, 0.0), (59.0, 0.1), (1e-4, 1e-5),
]  # fmt: skip


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


@pytest.mark.parametrize(("mean", "prob"), LAWS)
def test_probability_of_each_count_is_that_of_the_binomial_law(mean, prob):
    # The count is a monotone function of the word: evenly spaced words measure its law exactly.
    law = binomial(mean, prob)
    spaced = ((np.arange(2**16) + 0.5) * 2**16).astype(np.uint32)
    counts = np.asarray(
        count(spaced, jnp.full(2**16, mean, jnp.float32), jnp.full(2**16, prob, jnp.float32))
    )
    steps = np.diff(counts)
    assert (steps <= 0).all() or (steps >= 0).all()
    share = np.bincount(counts, minlength=int(law.ppf(1 - 1e-9)) + 2) / 2**16
    gap = np.abs(np.cumsum(share) - law.cdf(np.arange(len(share))))
    assert gap.max() < 1.5 * 2**-16 + 1e-5


@pytest.mark.parametrize("mean", [1e-8, 1e-6, 1e-5, 1e-4])
@pytest.mark.parametrize("prob_over_mean", [0.0, 0.1, 1.0])
def test_rare_pulses_come_exactly_as_often_as_asked(mean, prob_over_mean):
    # The words that give a pulse are 0 ... m - 1, with m = 2**32 P(n >= 1).
    prob = mean * prob_over_mean
    words = jnp.arange(2**19, dtype=jnp.uint32)
    counts = count(words, jnp.full(2**19, mean, jnp.float32), jnp.full(2**19, prob, jnp.float32))
    expected = 2**32 * binomial(mean, prob).sf(0)
    assert abs(int((counts > 0).sum()) - expected) < 1 + 1e-5 * expected
    assert int(counts.max()) == (2 if mean > 1e-5 and prob_over_mean < 1 else 1)


def test_rare_pulses_come_as_often_as_asked_among_random_words():
    means = jnp.array([1e-6, 1e-5, 1e-4])
    n, chunks = 2**20, 2**5

    def chunk(total, key):
        words = draw_words(key, (n,))
        counts = [draw_counts(words, jnp.full(n, mean), jnp.zeros(n)) for mean in means]
        return total + jnp.stack([c.sum() for c in counts]), None

    total = jax.jit(lambda keys: jax.lax.scan(chunk, jnp.zeros(3, jnp.int32), keys)[0])(
        jax.random.split(KEY, chunks)
    )
    for pulses, mean in zip(total.tolist(), means.tolist(), strict=True):
        expected = mean * n * chunks
        assert stats.poisson.cdf(pulses, expected) > P_VALUE / 2
        assert stats.poisson.sf(pulses - 1, expected) > P_VALUE / 2


@pytest.mark.parametrize(
    ("mean", "prob"),
    [
        (mean, prob)
        for mean in (0.05, 0.8, 4.0, 25.0, 70.0, 300.0, 2000.0)
        for prob in (0.0, 0.04, 0.3, 0.5, 0.8, 1.0)
        if prob <= mean  # a count has at least one trial
    ],
)
def test_counts_have_the_mean_and_a_variance_between_exact_and_poisson(mean, prob):
    n = 2**16
    counts = np.asarray(count(draw_words(KEY, (n,)), jnp.full(n, mean), jnp.full(n, prob)), float)
    law = binomial(mean, prob)
    # Rounding the normal law to whole counts adds 1/12 to the variance.
    rounding = 1 / 12 if mean > 60 else 0
    assert mean_score(counts, mean) < SIGMAS
    if law.var() > 0:
        fourth = law.stats("k") + 2
        error = law.var() * np.sqrt(float(fourth) / n)
        assert abs(counts.var() - law.var()) < SIGMAS * error + rounding
    assert mean * (1 - prob) - 1e-4 <= law.var() <= mean + 1e-4
