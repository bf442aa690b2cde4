"""AGAD: chopped Tiki-Taka that measures the offset of its reads while it goes."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from analogjax.devices import Device
from analogjax.pulses import PulseScheme
from analogjax.rules._base import analog_transformation
from analogjax.rules._buffered import Reading, Release, buffered_settings, with_share
from analogjax.rules._checks import check_range
from analogjax.rules._chopped_tiki_taka import ChoppedTransfer, check_regular, chopped_settings
from analogjax.rules._readout import Lines, Order, Read
from analogjax.tiles import TileStack


class AgadState(NamedTuple):
    """One weight matrix under AGAD.

    Attributes:
      stack: the slow and the fast array.
      buffer: what was read of the fast array and not yet written to the slow one, in pulses,
        ``(in, out)``.
      chopper: sign with which the fast array stands for each line, ``(in, 1)`` or ``(1, out)``.
      magnitudes: running means of the largest ``|x|`` and ``|d|`` of a vector, ``(2,)``; zero
        without auto scale.
      mean: running mean of the reads, ``(in, out)``.
      reference: that mean at the last change of sign, ``(in, out)``.
      switched: whether a line has changed its sign since it was last read, of the chopper's shape.
    """

    stack: TileStack
    buffer: jax.Array
    chopper: jax.Array
    magnitudes: jax.Array
    mean: jax.Array
    reference: jax.Array
    switched: jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Agad(ChoppedTransfer):
    tail_weighting: Any
    buffer_cap: Any

    def digital(self, stack: TileStack) -> AgadState:
        chopped = super().digital(stack)
        shape = chopped.buffer.shape
        return AgadState(
            **chopped._asdict(),
            mean=jnp.zeros(shape),
            reference=jnp.zeros(shape),
            switched=jnp.zeros(chopped.chopper.shape, bool),
        )

    def release(self, key, lines: AgadState, reading: Reading, rate) -> tuple[AgadState, Release]:
        reference = jnp.where(lines.switched, lines.mean, lines.reference)
        change = lines.chopper * (reading.values - reference)
        lines, pulses = self.buffered(lines, change, rate, reading.size)
        if not self.forget:
            cap = jnp.asarray(self.buffer_cap * self.max_pulses)
            cap = jnp.where((pulses != 0) & (cap > 0), cap, jnp.inf)
            lines = lines._replace(buffer=jnp.clip(lines.buffer, -cap, cap))
        share = jnp.minimum(self.tail_weighting / self.phase, 1.0)
        flips = self.flips(key, reading)
        lines = self.chopped(lines, flips)._replace(
            mean=(1.0 - share) * lines.mean + share * reading.values,
            reference=reference,
            switched=flips,
        )
        # Before a whole phase there is no mean to compare with.
        return lines, self.written(jnp.where(reading.sweeps > self.phase, pulses, 0.0))

    def flips(self, key, reading: Reading) -> jax.Array:
        """Regular flips, and with random choppers some at random in between."""
        return self.regular_flips(reading) | super().flips(key, reading)


def agad(
    learning_rate: optax.ScalarOrSchedule,
    device: Device | Sequence[Device],
    *,
    key: jax.Array | int,
    gamma=0.0,
    transfer_lr: optax.ScalarOrSchedule = 1.0,
    scale_transfer_lr: bool = False,
    transfer_every: int = 1,
    chop_prob=0.1,
    chop_random: bool = False,
    tail_weighting=5.0,
    buffer_granularity=1.0,
    auto_granularity=0.0,
    buffer_cap=0.0,
    momentum=0.0,
    forget: bool = True,
    max_pulses: int = 1,
    auto_scale: bool = False,
    auto_momentum=0.99,
    reads_per_transfer: float | None = 1,
    transfer_lines: Lines = "inputs",
    transfer_order: Order = "cyclic",
    transfer_read: Read | None = None,
    pulses: PulseScheme | None = None,
    transfer_pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""AGAD: analog gradient accumulation with dynamic reference.

    Chopped Tiki-Taka whose reads are compared with their own mean in the phase before, so that the
    fast array needs no known symmetric point. With s sweeps over all lines in a phase,

    .. math::
      A &\leftarrow \mathrm{pulse}(A, -\alpha\,\delta (c\odot x)^T) \quad\text{each sample} \\
      R_j &\leftarrow P_j \text{ if } c_j \text{ has changed since the last read of line } j \\
      h_j &= H_j + (\beta / g_H)\, c_j (A_j - R_j) \quad\text{every } T \text{ steps} \\
      P_j &\leftarrow (1 - \rho) P_j + \rho A_j, \quad \rho = \min(tail\_weighting / s, 1)

    and pulses :math:`n_j` leave the buffer as in :func:`chopped_tiki_taka`; none are written in
    the first s + 1 sweeps, which have no mean of a whole phase to compare with: what leaves the
    buffer then is lost. The weight is
    :math:`W = C + \gamma\, c A`; the initial weights are on C.

    Args:
      learning_rate: :math:`\alpha`, change of the fast array per unit of gradient, a number or a
        schedule; in pulses, ``learning_rate * |x d| / granularity`` a crosspoint and sample. With
        ``auto_scale`` it is the number of pulses itself.
      device: what the crosspoints are made of; one for both, or the pair (slow, fast).
      key: PRNG key or seed of all crosspoints, pulses and signs.
      gamma: share of the fast array in the weight, in [0, 1].
      transfer_lr: :math:`\beta`, a number or a schedule; a read adds ``beta * |A - R| / g_H``
        pulses to the buffer.
      scale_transfer_lr: whether it is multiplied by the learning rate.
      transfer_every: T, steps (mini-batches) between two transfers.
      chop_prob: a phase has ``s = max(ceil(1 / chop_prob), 2)`` sweeps, after which all lines
        change their signs (never if it is 0).
      chop_random: whether signs change with that probability after any other read, too.
      tail_weighting: how much more than by an average over the phase late reads count.
      buffer_granularity: what a pulse takes in the buffer, in granularities of the fast array.
      auto_granularity: the same as a number of reads of one granularity each that all lines
        together make for a pulse, at a transfer a step; 0 to leave it out. Published values,
        500 to 1000, count T in samples: divide them by the size of a mini-batch.
      buffer_cap: most that pulses leave in a buffer that does not forget, in ``max_pulses``; 0 for
        no limit.
      momentum: m, the share that a pulse leaves in the buffer, in [0, 1].
      forget: whether a pulse empties the buffer but for that share, or takes only its own out.
      max_pulses: most pulses that one transfer writes to a crosspoint.
      auto_scale: divide the learning rate by running means of the largest ``|x|`` and ``|d|``, so
        that it is the number of pulses that a vector of such magnitudes sends to the crosspoint
        of its largest entries; needs ``factors=``.
      auto_momentum: share of the mean before in these running means, for each mini-batch.
      reads_per_transfer: lines read and written at each transfer, or a share of them, in (0, 1);
        None for all.
      transfer_lines: read "inputs" (rows of W) or "outputs" (columns of W).
      transfer_order: start where the last transfer ended ("cyclic"), or anywhere ("random"),
        which regular choppers allow only where all lines are read.
      transfer_read: the product that a read is, ``(key, x, w) -> x @ w`` with whatever converters
        and wires do to it; perfect by default.
      pulses: scheme of the gradient; :class:`~analogjax.pulses.BatchedPulses` by default.
      transfer_pulses: scheme of the writing; by default trains of ``max_pulses`` slots with update
        management, in which a crosspoint with :math:`|n| = n_{max}` gets exactly its pulses, and
        any other as many on average.

    Returns:
      An optax gradient transformation; takes ``factors=`` as :func:`analogjax.analog_sgd` does.
      The state of a parameter is an ``AgadState``.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, if a setting is out of its range, or if
        ``auto_scale`` lacks the factors.

    Reference: Rasch, Carta, Fagbohungbe, Gokmen, "Fast and robust analog in-memory deep neural
    network training", Nat. Commun. 15:7133 (2024).

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> rule = analogjax.agad(0.1, SoftBounds.with_states(100), key=0, chop_prob=0.25)
      >>> state = rule.init({"kernel": jnp.zeros((3, 2))})
      >>> state.weights["kernel"].reference.shape
      (3, 2)
    """
    check_regular(transfer_order, reads_per_transfer)
    rule = _Agad(
        tail_weighting=check_range("tail_weighting", tail_weighting, 0.0, np.inf),
        buffer_cap=check_range("buffer_cap", buffer_cap, 0.0, np.inf),
        **chopped_settings(
            chop_prob=chop_prob,
            chop_random=chop_random,
            buffer_granularity=buffer_granularity,
            auto_granularity=auto_granularity,
            momentum=momentum,
            forget=forget,
            max_pulses=max_pulses,
            auto_scale=auto_scale,
            auto_momentum=auto_momentum,
        ),
        **buffered_settings(
            device=device,
            scales=with_share(gamma),
            transfer_lr=transfer_lr,
            scale_transfer_lr=scale_transfer_lr,
            transfer_every=transfer_every,
            max_pulses=max_pulses,
            reads_per_transfer=reads_per_transfer,
            transfer_lines=transfer_lines,
            transfer_order=transfer_order,
            transfer_read=transfer_read,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
        ),
    )
    return analog_transformation(learning_rate, rule, key=key)
