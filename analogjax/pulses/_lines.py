"""Pulse probabilities on the lines of an array (physics of the stochastic update)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices import ratio
from analogjax.pulses._mesh import on_mesh


class Lines(NamedTuple):
    """What the pulse generators do for each vector pair (x, d) of a mini-batch.

    Attributes:
      x: input vectors, ``(batch, in)``.
      d: error vectors, ``(batch, out)``.
      gain_x: probability of a pulse in one slot per unit of x, ``(batch, 1)``.
      gain_d: the same per unit of d, ``(batch, 1)``.
      length: number of slots of the pulse train, ``(batch, 1)``; a float holding whole numbers.
    """

    x: jax.Array
    d: jax.Array
    gain_x: jax.Array
    gain_d: jax.Array
    length: jax.Array

    def inputs(self) -> jax.Array:
        """Signed probability of a pulse in one slot on each input line, ``(batch, in)``."""
        return jnp.clip(self.gain_x * self.x, -1.0, 1.0)

    def outputs(self) -> jax.Array:
        """Signed probability of a pulse in one slot on each output line, ``(batch, out)``."""
        return jnp.clip(self.gain_d * self.d, -1.0, 1.0)


def line_probabilities(
    x: jax.Array,
    d: jax.Array,
    learning_rate,
    granularity,
    *,
    desired_bl: int,
    update_management: bool,
    update_bl_management: bool,
) -> Lines:
    r"""Probabilities of a pulse on each line, and the length of the pulse trains.

    With learning rate :math:`\lambda`, granularity g and train length BL, line j of the inputs
    carries a pulse in a slot with probability :math:`\min(1, B|x_j|)`, line i of the outputs with
    :math:`\min(1, A|\delta_i|)`, where :math:`A B = \lambda / (g\,BL)`. A coincidence moves the
    crosspoint by one pulse, so that the mean count is :math:`\lambda|x_j\delta_i|/g`.

    Update-BL management picks :math:`BL = \min(\lceil k\rceil, BL_{max})` with
    :math:`k = \lambda \max|x|\max|\delta|/g`; update management shares the load, so that the
    largest input and the largest output line pulse equally often, and where even the longest
    train is too short, the largest output lines, which pulse in every slot then, are cut.

    Args:
      x: input vectors, ``(batch, in)``.
      d: error vectors, ``(batch, out)``.
      learning_rate: weight change per unit of x times d.
      granularity: weight change of one pulse.
      desired_bl: longest pulse train.
      update_management: whether to share the load between the lines.
      update_bl_management: whether to shorten the trains; implies update management.

    Returns:
      The vectors with their gains, and the lengths.

    Reference: Gokmen, Onen, Haensch, Front. Neurosci. 11:538 (2017), section 2.2.
    """
    top_x, top_d = largest(x), largest(d)
    wanted = learning_rate * top_x * top_d / granularity
    longest = jnp.full_like(wanted, desired_bl)
    # Rounding of the product must not lengthen a train that needs a whole number of slots.
    length = (
        jnp.minimum(jnp.ceil(wanted * (1.0 - 1e-6)), longest) if update_bl_management else longest
    )
    gain = jnp.sqrt(learning_rate / (granularity * jnp.maximum(length, 1.0)))
    gain_x = gain_d = gain
    if update_management or update_bl_management:
        fitting = top_d * jnp.minimum(1.0, longest / jnp.maximum(wanted, longest))
        share = jnp.sqrt(ratio(fitting, top_x))
        gain_x, gain_d = gain * share, gain * ratio(1.0, share)
    silent = (top_x == 0) | (top_d == 0)
    return Lines(
        x=x,
        d=d,
        gain_x=jnp.broadcast_to(gain_x, wanted.shape),
        gain_d=jnp.broadcast_to(gain_d, wanted.shape),
        length=jnp.where(silent, 0.0, length),
    )


def cut_trains(lines: Lines, learning_rate, granularity) -> jax.Array:
    """How many of the vector pairs ask for more pulses than their trains can hold, float32.

    Of such a pair the largest change is cut short, or with update management the changes of all
    output lines that would have to pulse more often than in every slot.

    Args:
      lines: what the pulse generators do.
      learning_rate: weight change per unit of x times d.
      granularity: weight change of one pulse.
    """
    top_x, top_d = largest(lines.x), largest(lines.d)
    wanted = learning_rate * top_x * top_d / granularity
    on_x, on_d = jnp.minimum(lines.gain_x * top_x, 1.0), jnp.minimum(lines.gain_d * top_d, 1.0)
    return jnp.sum(lines.length * on_x * on_d < (1.0 - 1e-3) * wanted).astype(jnp.float32)


def largest(vectors: jax.Array) -> jax.Array:
    """The largest magnitude in each vector, ``(batch, 1)``; NaN where there is one.

    Magnitudes compared by their bits, in rows of at most 32 (long ones are laid on each other in
    halves): on a CPU that takes a fraction of the time of a maximum of real numbers. Halves of a
    vector that is split between devices would have to change places.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.pulses import largest
      >>> largest(jnp.array([[1.0, -3.0], [0.5, 0.0]])).tolist()
      [[3.0], [0.5]]
    """
    vectors = jnp.asarray(vectors, jnp.float32)
    if on_mesh():
        return jnp.abs(vectors).max(axis=-1, keepdims=True)
    while vectors.shape[-1] > 32:
        half = (vectors.shape[-1] + 1) // 2
        vectors = jnp.maximum(jnp.abs(vectors[:, :half]), jnp.abs(vectors[:, -half:]))
    bits = jax.lax.bitcast_convert_type(jnp.abs(vectors), jnp.int32)
    return jax.lax.bitcast_convert_type(bits.max(axis=-1, keepdims=True), jnp.float32)


class Counts(NamedTuple):
    """Mean and spread of the number of up (or down) pulses of each crosspoint.

    Attributes:
      mean: expected number, ``(in, out)``.
      prob: ``sum(BL P^2) / sum(BL P)``, the coincidence probability of one slot, averaged over
        what the crosspoint receives; the variance is ``mean * (1 - prob)``.
    """

    mean: jax.Array
    prob: jax.Array


def pulse_statistics(lines: Lines, outputs: int) -> tuple[Counts, Counts]:
    r"""Statistics of the up and of the down counts of a whole mini-batch.

    The counts of one vector pair are Binomial(BL, P) with :math:`P = p_x p_\delta`; pairs of equal
    sign send down pulses, pairs of opposite sign up pulses. Both sums over the mini-batch are
    matrix products: with :math:`S = \sum x\delta` and :math:`T = \sum|x||\delta|`, the down part is
    (T + S)/2 and the up part (T - S)/2.

    Args:
      lines: what the pulse generators do.
      outputs: number of columns, as in :func:`outer_sum`.

    Returns:
      ``(up, down)``.
    """
    x, d = lines.inputs(), lines.outputs()
    up_mean, down_mean = _split(x, d * lines.length, outputs)
    up_square, down_square = _split(x * jnp.abs(x), d * jnp.abs(d) * lines.length, outputs)
    return Counts(up_mean, _prob(up_square, up_mean)), Counts(
        down_mean, _prob(down_square, down_mean)
    )


def unlimited_statistics(x, d, learning_rate, granularity, outputs) -> tuple[Counts, Counts]:
    """As :func:`pulse_statistics` for trains without end, whose coincidences are all rare."""
    up, down = _split(x, d * (learning_rate / granularity), outputs)
    return Counts(up, jnp.zeros_like(up)), Counts(down, jnp.zeros_like(down))


def _prob(square, mean):
    return jnp.clip(ratio(square, mean), 0.0, 1.0)


def _split(x, d, outputs):
    """Sums over the batch of ``|x d|``, over the pairs of opposite and of equal sign."""
    total = outer_sum(jnp.abs(x), jnp.abs(d), outputs)
    signed = outer_sum(x, d, outputs)
    return jnp.maximum((total - signed) / 2, 0.0), jnp.maximum((total + signed) / 2, 0.0)


def outer_sum(x: jax.Array, d: jax.Array, outputs: int) -> jax.Array:
    """The sum of the outer products of vector pairs, ``(in, outputs)``.

    Args:
      x: ``(batch, in)``.
      d: ``(batch, outputs)``; or ``(batch, outputs / G)``, where the vectors belong to the G groups
        of columns in turn.
      outputs: number of columns.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.pulses import outer_sum
      >>> x, d = jnp.array([[1.0, 2.0], [0.0, 1.0]]), jnp.array([[1.0], [3.0]])
      >>> outer_sum(x, d, 1).tolist()
      [[1.0], [5.0]]
    """
    groups = outputs // d.shape[1]
    x, d = (part.reshape(-1, groups, part.shape[1]) for part in (x, d))
    # As x^T d or as (d^T x)^T, whichever has fewer numbers change their places.
    first = "gio" if x.size < d.size + groups * x.shape[2] * d.shape[2] else "goi"
    product = jnp.einsum(f"bgi,bgo->{first}", x, d, precision=jax.lax.Precision.HIGHEST)
    return jnp.einsum(f"{first}->igo", product).reshape(x.shape[2], outputs)
