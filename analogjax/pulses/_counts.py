"""How many up and down pulses the bit trains of a mini-batch send to each crosspoint."""

import jax
import jax.numpy as jnp

from analogjax.pulses._batching import one_by_one
from analogjax.pulses._lines import Lines, outer_sum
from analogjax.pulses._listing import set_bits
from analogjax.pulses._words import draw_words, stream, uniform, words_at

# Vector pairs whose coincidences are counted together.
_CHUNK = 128


@one_by_one
def count_coincidences(
    key: jax.Array, lines: Lines, columns: int
) -> tuple[jax.Array, jax.Array]:
    r"""The numbers of up and of down pulses, with the joint law of the bit trains.

    With signed bits :math:`s_x, s_\delta \in \{-1, 0, 1\}` of all lines, pairs and slots, the
    numbers are :math:`(\sum|s_x||s_\delta|^T \mp \sum s_x s_\delta^T)/2`: two matrix products.
    Pairs without any bit on their output lines, which are most of them in a convolution, are left
    out of both.

    Args:
      key: a PRNG key.
      lines: what the pulse generators do, for ``(batch, in)`` and ``(batch, out)``.
      columns: number of columns of the array; a multiple G of ``out`` if they are G groups.

    Returns:
      ``(up, down)``, int32, ``(in, columns)``.
    """
    (pairs, inputs), outputs = lines.x.shape, lines.d.shape[1]
    groups = columns // outputs
    key_x, key_d = jax.random.split(key)
    words_d = draw_words(key_d, (pairs, outputs))
    size = min(_CHUNK, pairs)
    prob_d = lines.outputs()

    def one_slot(carry):
        slot, counts = carry
        bits_d = _signed_bits(prob_d, words_d, slot) * (slot < lines.length)
        listed, number = set_bits(jnp.any(bits_d != 0, axis=1))

        def some_pairs(carry):
            start, (total, net) = carry
            at = start + jnp.arange(size)
            some = listed[jnp.minimum(at, pairs - 1)]
            words_x = words_at(key_x, some[:, None] * inputs + jnp.arange(inputs))
            x = _signed_bits(lines.gain_x[some] * lines.x[some], words_x, slot)
            own = (at < number)[:, None] & (some[:, None] % groups == jnp.arange(groups))
            d = (own[:, :, None] * bits_d[some][:, None]).reshape(size, columns)
            total += outer_sum(jnp.abs(x), jnp.abs(d), columns)
            return start + size, (total, net + outer_sum(x, d, columns))

        _, counts = jax.lax.while_loop(
            lambda carry: carry[0] < number, some_pairs, (jnp.int32(0), counts)
        )
        return slot + 1, counts

    none = jnp.zeros((inputs, columns))
    _, (total, net) = jax.lax.while_loop(
        lambda carry: carry[0] < lines.length.max(), one_slot, (jnp.int32(0), (none, none))
    )
    return ((total - net) / 2).astype(jnp.int32), ((total + net) / 2).astype(jnp.int32)


def drawn_bits(probability: jax.Array, words: jax.Array, slot) -> jax.Array:
    """Whether each line carries a pulse in a slot."""
    return uniform(stream(words, slot)) <= jnp.abs(probability)


def _signed_bits(probability: jax.Array, words: jax.Array, slot) -> jax.Array:
    """One bit on each line, with the sign of what it stands for."""
    return jnp.where(drawn_bits(probability, words, slot), jnp.sign(probability), 0.0)
