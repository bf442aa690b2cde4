"""Drawing pulse counts with one random word per crosspoint."""

import jax
import jax.numpy as jnp

# Above this mean, exp(-mean) nears the smallest float32 and the normal law is within 2 % of the
# binomial in every moment that matters, so the search from zero is left.
_MANY = 60.0


def uniform_words(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uniform numbers in (0, 1] from 32 random bits, as fine as 2**-32 near zero.

    ``jax.random.uniform`` has a spacing of 2**-23 everywhere, too coarse for the small pulse
    probabilities that most crosspoints have in most steps.
    """
    bits = jax.random.bits(key, shape, jnp.uint32)
    return (bits.astype(jnp.float32) + 0.5) * jnp.float32(2.0**-32)


def draw_counts(v: jax.Array, mean: jax.Array, prob: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""Integer counts of a given mean and (nearly) the variance ``mean * (1 - prob)``.

    The law is Binomial(N, mean/N) with :math:`N = \lceil mean/prob\rceil` trials, inverted from
    zero in one pass over the array for each pulse of the largest count. It is the exact law of a
    mini-batch of one, and the Poisson law for ``prob`` towards 0; in between, its variance lies
    between the two. What ``v`` has left over once the count is chosen is again uniform and is
    returned, so that one random word serves several draws.

    Args:
      v: uniform numbers in (0, 1], any shape.
      mean: expected counts, same shape.
      prob: as in :class:`Counts`, in [0, 1].

    Returns:
      ``(counts, v)``: int32 counts and the remaining uniform numbers.
    """
    trials = jnp.ceil(mean / jnp.maximum(prob, 1e-9) - 1e-3)
    p = jnp.clip(mean / jnp.maximum(trials, 1.0), 0.0, 1.0)
    # Where a slot coincides more often than not, count the misses instead.
    flip = p > 0.5
    p = jnp.where(flip, 1.0 - p, p)
    mu = trials * p
    many = mu > _MANY
    counts, rest = _search(v, jnp.where(many, 0.0, mu), p)
    normal = mu + jnp.sqrt(mu * (1.0 - p)) * jax.scipy.special.ndtri(jnp.clip(v, 1e-7, 1 - 1e-7))
    normal = jnp.clip(normal, 0.0, trials)
    counts = jnp.where(many, jnp.rint(normal), counts)
    rest = jnp.where(many, jnp.clip(normal - jnp.floor(normal), 1e-7, 1.0), rest)
    counts = jnp.where(flip, trials - counts, counts)
    return counts.astype(jnp.int32), rest


def _search(v, mean, p):
    """Inverts the binomial law from the top of ``v`` down: v >= P(n >= 1) is no pulse at all.

    Tail probabilities are kept rather than cumulated ones, since 1 - P(n = 0) of a small mean
    would round away.
    """
    log_none = mean * jnp.where(p > 0, jnp.log1p(-p) / jnp.where(p > 0, p, 1.0), -1.0)
    tail = -jnp.expm1(log_none)  # P(n > 0)
    mass = jnp.exp(log_none)  # P(n = 0)

    def unfinished(carry):
        _, tail, _, _ = carry
        return jnp.any(v < tail)

    def one_more(carry):
        count, tail, mass, above = carry
        go = v < tail
        heavier = mass * jnp.maximum(mean - count * p, 0.0) / ((count + 1.0) * (1.0 - p))
        # The last trial, or a mass that rounding has used up: no more pulses.
        last = (heavier <= 0.0) | (mean - (count + 1.0) * p <= 1e-3 * p)
        next_tail = jnp.where(last, 0.0, tail - heavier)
        return (
            jnp.where(go, count + 1.0, count),
            jnp.where(go, next_tail, tail),
            jnp.where(go, heavier, mass),
            jnp.where(go, tail, above),
        )

    start = (jnp.zeros_like(mean), tail, mass, jnp.ones_like(mean))
    count, tail, _, above = jax.lax.while_loop(unfinished, one_more, start)
    rest = (v - tail) / jnp.maximum(above - tail, jnp.finfo(jnp.float32).tiny)
    return count, jnp.clip(rest, 1e-7, 1.0)
