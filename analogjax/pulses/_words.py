"""Random numbers from one 32-bit word per crosspoint.

Threefry is the largest cost of a simulated update where every crosspoint takes a word of it. Here
it gives two words to an update, addressed by its key, and each crosspoint hashes its own number
with them. The several numbers a crosspoint needs in a step (its counts, then order and noise of
its pulses) are hashes of its word.
"""

import math

import jax
import jax.numpy as jnp


def draw_words(key: jax.Array, shape: tuple[int, ...], stream=0) -> jax.Array:
    """One 32-bit word for each crosspoint, uint32, uniform over keys.

    The number of the crosspoint is hashed with one word of the key, then with the other. Within
    one array and stream no word comes twice.

    Example:
      >>> import jax
      >>> from analogjax.pulses import draw_words
      >>> words = draw_words(jax.random.key(0), (2, 3))
      >>> words.shape, str(words.dtype)
      ((2, 3), 'uint32')
    """
    return words_at(key, jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape), stream)


def words_at(key: jax.Array, number: jax.Array, stream=0) -> jax.Array:
    """The words of some crosspoints, given by their numbers in :func:`draw_words`.

    Args:
      key: a PRNG key.
      number: integers.
      stream: number of further words of each of them; those of :func:`draw_words` are stream 0.
    """
    first, second = jax.random.bits(key, (2,), jnp.uint32)
    return _hash(_hash((number.astype(jnp.uint32) ^ first) + _distant(stream)) ^ second)


def line_words(key: jax.Array, vector: jax.Array, line: jax.Array, slot) -> jax.Array:
    """The words of lines of an array in one slot of the pulse trains of a vector.

    Args:
      key: a PRNG key.
      vector: integers, numbers of the vectors.
      line: integers, numbers of the lines, of a shape that broadcasts with it.
      slot: number of the slot.
    """
    return stream(words_at(key, vector, slot), line)


def stream(words: jax.Array, number) -> jax.Array:
    """The words of stream ``number`` (0, 1, ...), which look independent of every other stream.

    Args:
      words: from :func:`draw_words`.
      number: int32 numbers of streams.

    Returns:
      uint32 words of the same shape.
    """
    return _hash(words + _distant(number + 1))


def _distant(number) -> jax.Array:
    """Words far from each other for successive numbers."""
    return jnp.asarray(number).astype(jnp.uint32) * jnp.uint32(0x9E3779B9)


def _hash(x: jax.Array) -> jax.Array:
    """A bijection of the words: each input bit flips each output bit at 1/2, to within 0.1 %."""
    for shift, factor in ((17, 0xED5AD4BB), (11, 0xAC4C1B51), (15, 0x31848BAB)):
        x = (x ^ (x >> shift)) * jnp.uint32(factor)
    return x ^ (x >> 14)


def uniform(words: jax.Array) -> jax.Array:
    """Uniform numbers in (0, 1], as fine as 2**-32 near zero.

    ``jax.random.uniform`` has a spacing of 2**-23 everywhere, too coarse for the small pulse
    probabilities that most crosspoints have in most steps.
    """
    return (words.astype(jnp.float32) + 0.5) * jnp.float32(2.0**-32)


def normal(words: jax.Array) -> jax.Array:
    """Standard normal numbers, by inversion; they end at 5.4 standard deviations."""
    centred = 2.0 * uniform(words) - 1.0
    return jnp.sqrt(2.0) * jax.lax.erf_inv(jnp.clip(centred, -1.0 + 1e-7, 1.0 - 1e-7))


def normals(words: jax.Array, first, count: int) -> jax.Array:
    """As many standard normal numbers as one pulse takes, from the streams ``first``, ...

    Several are stacked in front: ``(count, ...)``.
    """
    numbers = [normal(stream(words, first + n)) for n in range(count)]
    return numbers[0] if count == 1 else jnp.stack(numbers)
