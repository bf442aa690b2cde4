"""Drawing pulse counts of a given mean and spread."""

import jax
import jax.numpy as jnp

from analogjax.pulses._elementwise import elementwise
from analogjax.pulses._words import normal, uniform

# Above this mean exp(-mean) nears the smallest float32, and the binomial law is close to normal.
_MANY = 60.0


@elementwise
def draw_counts(
    words: jax.Array, mean: jax.Array, prob: jax.Array, highest_mean: float = jnp.inf
) -> jax.Array:
    r"""Integer counts of a given mean and (nearly) the variance ``mean * (1 - prob)``.

    The law is Binomial(N, mean/N) with :math:`N = \lceil mean/prob\rceil` trials, inverted from
    zero in one pass over the array for each pulse of the largest count. It is the exact law of a
    mini-batch of one, and the Poisson law for ``prob`` towards 0; in between, its variance lies
    between the two. Means above 60 are drawn from the normal law, rounded.

    Args:
      words: uniform uint32 words, any shape.
      mean: expected counts, same shape.
      prob: coincidence probability of one slot, in [0, 1].
      highest_mean: no mean is above it; up to 60 the normal law need not be compiled.

    Returns:
      int32 counts.
    """
    shape = jnp.broadcast_shapes(words.shape, mean.shape)
    mean, prob = jnp.broadcast_to(mean, shape), jnp.broadcast_to(prob, shape)
    trials = jnp.ceil(mean / jnp.maximum(prob, 1e-9) - 1e-3)
    p = jnp.clip(mean / jnp.maximum(trials, 1.0), 0.0, 1.0)
    # Where a slot coincides more often than not, count the misses instead.
    flip = p > 0.5
    p = jnp.where(flip, 1.0 - p, p)
    mu = trials * p
    many = mu > _MANY
    if highest_mean <= _MANY:
        counts = _search(uniform(words), mu, p)
    else:
        counts = _search(uniform(words), jnp.where(many, 0.0, mu), p)

        def round_many():
            rounded = jnp.rint(mu + jnp.sqrt(mu * (1.0 - p)) * normal(words))
            return jnp.where(many, jnp.clip(rounded, 0.0, trials), counts)

        counts = jax.lax.cond(jnp.any(many), round_many, lambda: counts)
    return jnp.where(flip, trials - counts, counts).astype(jnp.int32)


def _search(v, mean, p):
    """Inverts the binomial law from the top of ``v`` down: v >= P(n >= 1) is no pulse at all.

    Tail probabilities are kept rather than cumulated ones, since 1 - P(n = 0) of a small mean
    would round away.
    """
    log_none = mean * jnp.where(p > 0, jnp.log1p(-p) / jnp.where(p > 0, p, 1.0), -1.0)
    tail = -jnp.expm1(log_none)  # P(n > 0)
    mass = jnp.exp(log_none)  # P(n = 0)

    def unfinished(carry):
        _, tail, _ = carry
        return jnp.any(v < tail)

    def one_more(carry):
        count, tail, mass = carry
        mass = mass * jnp.maximum(mean - count * p, 0.0) / ((count + 1.0) * (1.0 - p))
        # The last trial, or a mass that rounding has used up: no more pulses.
        last = (mass <= 0.0) | (mean - (count + 1.0) * p <= 1e-3 * p)
        go = v < tail
        count = jnp.where(go, count + 1.0, count)
        return count, jnp.where(go & ~last, tail - mass, jnp.where(go, 0.0, tail)), mass

    return jax.lax.while_loop(unfinished, one_more, (jnp.zeros_like(mean), tail, mass))[0]
