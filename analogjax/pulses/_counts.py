"""How many up and down pulses the bit trains of a mini-batch send to each crosspoint."""

import jax
import jax.numpy as jnp

from analogjax.pulses._batching import one_by_one
from analogjax.pulses._lines import Lines, outer_sum
from analogjax.pulses._listing import set_bits
from analogjax.pulses._trains import (
    SLOTS,
    any_output_bit,
    input_trains,
    output_trains,
    slots_from,
    trains,
)

# Vector pairs whose coincidences are counted together.
_CHUNK = 128


def count_coincidences(key: jax.Array, lines: Lines, columns: int) -> tuple[jax.Array, jax.Array]:
    r"""The numbers of up and of down pulses, with the joint law of the bit trains.

    Args:
      key: a PRNG key.
      lines: what the pulse generators do, for ``(batch, in)`` and ``(batch, out)``.
      columns: number of columns of the array; a multiple G of ``out`` if they are G groups.

    Returns:
      ``(up, down)``, int32, ``(in, columns)``.
    """
    count = _count_one_pair if len(lines.x) == 1 else _count_pairs
    none = jnp.zeros((lines.x.shape[1], columns))

    def one_word(carry):
        first, counts = carry
        more = count(key, lines, columns, first)
        return first + SLOTS, jax.tree.map(jnp.add, counts, more)

    _, (total, net) = jax.lax.while_loop(
        lambda carry: carry[0] < lines.length.max(), one_word, (jnp.int32(0), (none, none))
    )
    return ((total - net) / 2).astype(jnp.int32), ((total + net) / 2).astype(jnp.int32)


def _count_one_pair(key, lines: Lines, columns: int, first) -> tuple[jax.Array, jax.Array]:
    """Coincidences of one vector pair: of all its lines, and net of their signs."""
    key_x, key_d = jax.random.split(key)
    slots = slots_from(lines, first)
    both = input_trains(key_x, lines, first, slots).T & output_trains(key_d, lines, first, slots)
    total = jax.lax.population_count(both).astype(jnp.float32)
    return total, total * jnp.sign(lines.x).T * jnp.sign(lines.d)


@one_by_one
def _count_pairs(key, lines: Lines, columns: int, first) -> tuple[jax.Array, jax.Array]:
    r"""Coincidences of many vector pairs: of all their lines, and net of their signs.

    With signed bits :math:`s_x, s_\delta \in \{-1, 0, 1\}` these are :math:`\sum|s_x||s_\delta|^T`
    and :math:`\sum s_x s_\delta^T`, two matrix products a slot. Pairs without any bit on their
    output lines, which are most of them in a convolution, are left out of both.
    """
    (pairs, inputs), outputs = lines.x.shape, lines.d.shape[1]
    key_x, key_d = jax.random.split(key)
    slots = slots_from(lines, first)
    listed, number = set_bits(any_output_bit(key_d, lines, 0, first, slots).any(axis=1))
    size, groups = min(_CHUNK, pairs), columns // outputs

    def some_pairs(carry):
        start, counts = carry
        at = start + jnp.arange(size)
        some = listed[jnp.minimum(at, pairs - 1)][:, None]
        line = jax.tree.map(lambda part: part[some[:, 0]], lines)
        length = jnp.where(at[:, None] < number, line.length, 0.0)
        of_x, of_d = (some, jnp.arange(inputs)), (some, jnp.arange(outputs))
        words_x = trains(key_x, *of_x, line.gain_x * line.x, length, first, slots)
        words_d = trains(key_d, *of_d, line.gain_d * line.d, length, first, slots)
        own = (some % groups == jnp.arange(groups))[:, :, None]

        def one_slot(k, counts):
            x, d = _signed_bits(words_x, line.x, k), _signed_bits(words_d, line.d, k)
            d = (own * d[:, None]).reshape(size, columns)
            total, net = counts
            return total + outer_sum(jnp.abs(x), jnp.abs(d), columns), net + outer_sum(
                x, d, columns
            )

        return start + size, jax.lax.fori_loop(jnp.uint32(0), slots, one_slot, counts)

    none = jnp.zeros((inputs, columns))
    return jax.lax.while_loop(
        lambda carry: carry[0] < number, some_pairs, (jnp.int32(0), (none, none))
    )[1]


def _signed_bits(words: jax.Array, vectors: jax.Array, slot) -> jax.Array:
    """The bit of each line in one slot, with the sign of what it stands for."""
    return jnp.where((words >> slot) & 1 == 1, jnp.sign(vectors), 0.0)
