"""How many up and down pulses the bit trains of a mini-batch send to each crosspoint."""

import jax
import jax.numpy as jnp

from analogjax.pulses._batching import one_by_one
from analogjax.pulses._lines import Lines, outer_sum
from analogjax.pulses._listing import visit_set_bits
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
# Bits that hold a number of them.
_BITS = 8


def count_in_turn(
    key: jax.Array, lines: Lines, columns: int, longest: int
) -> tuple[jax.Array, jax.Array]:
    r"""The numbers of up and of down pulses, with the joint law of the bit trains.

    It takes as few operations as the drawn bits allow, which suits a CPU.

    Args:
      key: a PRNG key.
      lines: what the pulse generators do, for ``(batch, in)`` and ``(batch, out)``.
      columns: number of columns of the array; a multiple G of ``out`` if they are G groups.
      longest: int, length that no pulse train exceeds.

    Returns:
      ``(up, down)``, int32, ``(in, columns)``.
    """
    count = _count_one_pair if len(lines.x) == 1 else _count_pairs
    if longest <= SLOTS:
        return count(key, lines, columns, 0)

    def one_word(carry):
        first, counts = carry
        return first + SLOTS, _sum(counts, count(key, lines, columns, first))

    return jax.lax.while_loop(
        lambda carry: carry[0] < lines.length.max(),
        one_word,
        (jnp.int32(0), _none(lines.x.shape[1], columns)),
    )[1]


def count_at_once(
    key: jax.Array, lines: Lines, columns: int, longest: int
) -> tuple[jax.Array, jax.Array]:
    """The same numbers as :func:`count_in_turn`, for processors on which loops wait.

    All slots of all lines are drawn, and the words of all pairs compared, in few operations whose
    number does not follow from the data.

    Args:
      key: a PRNG key.
      lines: as there.
      columns: as there.
      longest: as there.

    Returns:
      As there.
    """
    key_x, key_d = jax.random.split(key)
    groups, slots = columns // lines.d.shape[1], min(longest, SLOTS)
    on_x, on_d = _by_group(lines.x, groups) > 0, _by_group(lines.d, groups) > 0
    same = on_x[..., None] == on_d[:, :, None]

    def one_word(n, counts):
        words_x = _by_group(input_trains(key_x, lines, n * SLOTS, slots), groups)
        words_d = _by_group(output_trains(key_d, lines, n * SLOTS, slots), groups)
        number = jax.lax.population_count(words_x[..., None] & words_d[:, :, None])
        more = (jnp.where(which, number, 0).sum(axis=0, dtype=jnp.int32) for which in (~same, same))
        return _sum(counts, tuple(more))

    counts = jax.lax.fori_loop(0, -(-longest // SLOTS), one_word, _none(*same.shape[1:]))
    return jax.tree.map(lambda count: count.swapaxes(0, 1).reshape(-1, columns), counts)


def _by_group(vectors: jax.Array, groups: int) -> jax.Array:
    """Vectors that belong to groups in turn, ``(batch / G, G, lines)``."""
    return vectors.reshape(-1, groups, vectors.shape[1])


def _count_one_pair(key, lines: Lines, columns: int, first) -> tuple[jax.Array, jax.Array]:
    """Coincidences of one vector pair, of lines of opposite and of equal sign."""
    key_x, key_d = jax.random.split(key)
    slots = slots_from(lines, first)
    both = input_trains(key_x, lines, first, slots).T & output_trains(key_d, lines, first, slots)
    number = jax.lax.population_count(both).astype(jnp.int32)
    equal = (lines.d > 0) == (lines.x > 0).T
    return jnp.where(equal, 0, number), jnp.where(equal, number, 0)


@one_by_one
def _count_pairs(key, lines: Lines, columns: int, first) -> tuple[jax.Array, jax.Array]:
    r"""Coincidences of many vector pairs, of lines of opposite and of equal sign.

    They follow from one matrix product a slot, :math:`\sum b_x b_\delta^T`, in which a bit b stands
    for 1 on a line of positive sign and for K = 256 on one of negative sign. A coincidence adds 1
    or :math:`K^2` if the signs are equal, else K, each fewer than K times in a chunk, so that the
    sum is exact and holds all three numbers. Pairs without any bit on their output lines, which
    are most of them in a convolution, are left out.
    """
    inputs, outputs = lines.x.shape[1], lines.d.shape[1]
    key_x, key_d = jax.random.split(key)
    slots = slots_from(lines, first)
    any_bit = any_output_bit(key_d, lines, 0, first, slots).any(axis=1)
    groups = columns // outputs

    def some_pairs(k, there, counts):
        line = jax.tree.map(lambda part: part[k], lines)
        length = jnp.where(there[:, None], line.length, 0.0)
        of_x, of_d = (k[:, None], jnp.arange(inputs)), (k[:, None], jnp.arange(outputs))
        words_x = trains(key_x, *of_x, line.gain_x * line.x, length, first, slots)
        words_d = trains(key_d, *of_d, line.gain_d * line.d, length, first, slots)
        own = (k[:, None] % groups == jnp.arange(groups))[:, :, None]

        def one_slot(slot, counts):
            x, d = _coded_bits(words_x, line.x, slot), _coded_bits(words_d, line.d, slot)
            d = (own * d[:, None]).reshape(len(k), columns)
            return _sum(counts, _decoded(outer_sum(x, d, columns)))

        return jax.lax.fori_loop(jnp.uint32(0), slots, one_slot, counts)

    return visit_set_bits(any_bit, _CHUNK, some_pairs, _none(inputs, columns))


def _coded_bits(words: jax.Array, vectors: jax.Array, slot) -> jax.Array:
    """The bit of each line in one slot, as 1 or K by the sign of what it stands for."""
    return jnp.where((words >> slot) & 1 == 1, jnp.where(vectors > 0, 1.0, 2.0**_BITS), 0.0)


def _decoded(sums: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The coincidences of opposite and of equal sign in sums over products of coded bits."""
    sums, last = sums.astype(jnp.int32), 2**_BITS - 1
    return (sums >> _BITS) & last, (sums & last) + (sums >> 2 * _BITS)


def _none(*shape: int) -> tuple[jax.Array, jax.Array]:
    return jnp.zeros(shape, jnp.int32), jnp.zeros(shape, jnp.int32)


def _sum(counts, more) -> tuple[jax.Array, jax.Array]:
    return jax.tree.map(jnp.add, counts, more)
