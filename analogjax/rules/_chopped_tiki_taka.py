"""Chopped Tiki-Taka: signs that flip now and then, under which offsets of the reads cancel."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from analogjax.devices import Device, check_count, ratio
from analogjax.pulses import PulseScheme, largest
from analogjax.rules._base import analog_transformation
from analogjax.rules._buffered import (
    FAST,
    SLOW,
    BufferedTransfer,
    Reading,
    Release,
    buffered_settings,
    whole_pulses,
    with_share,
    without_pulses,
)
from analogjax.rules._checks import check_range
from analogjax.rules._readout import Lines, Order, Read
from analogjax.rules._signal import Signal
from analogjax.tiles import TileStack


class ChoppedState(NamedTuple):
    """One weight matrix under chopped Tiki-Taka.

    Attributes:
      stack: the slow and the fast array.
      buffer: what was read of the fast array and not yet written to the slow one, in pulses,
        ``(in, out)``.
      chopper: sign with which the fast array stands for each line, ``(in, 1)`` or ``(1, out)``.
      magnitudes: running means of the largest ``|x|`` and ``|d|`` of a vector, ``(2,)``; zero
        without auto scale.
    """

    stack: TileStack
    buffer: jax.Array
    chopper: jax.Array
    magnitudes: jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChoppedTransfer(BufferedTransfer):
    """The rule of one weight matrix behind :func:`chopped_tiki_taka`, whose arguments it has."""

    chop_prob: Any
    chop_random: bool
    buffer_granularity: Any
    auto_granularity: Any
    momentum: Any
    forget: bool
    max_pulses: int
    auto_scale: bool
    auto_momentum: Any

    def digital(self, stack: TileStack) -> Any:
        """Nothing buffered, and every sign plus."""
        shape = stack.tiles[SLOW].shape
        lines = (shape[0], 1) if self.readout.axis == 0 else (1, shape[1])
        return ChoppedState(stack, jnp.zeros(shape), jnp.ones(lines), jnp.zeros(2))

    def signs(self, state) -> jax.Array:
        """The chopper."""
        return state.chopper

    def gradient_rate(self, state, signal: Signal, learning_rate) -> tuple[Any, Any]:
        """With auto scale the learning rate counts pulses for vectors of usual magnitude."""
        if not self.auto_scale:
            return state, learning_rate
        if signal.factors is None:
            raise ValueError(
                "auto_scale needs the magnitudes of x and d: call update(..., factors=...), or "
                "leave auto_scale out."
            )
        now = jnp.stack([jnp.mean(largest(part)) for part in signal.factors])
        before = jnp.where(state.magnitudes > 0, state.magnitudes, now)
        magnitudes = self.auto_momentum * before + (1.0 - self.auto_momentum) * now
        rate = learning_rate * self.devices[FAST].granularity * ratio(1.0, jnp.prod(magnitudes))
        return state._replace(magnitudes=magnitudes), rate

    def release(self, key, lines, reading: Reading, rate) -> tuple[Any, Release]:
        """What was read, with the signs it was gathered with, as whole pulses."""
        lines, pulses = self.buffered(lines, lines.chopper * reading.values, rate, reading.size)
        return self.chopped(lines, self.flips(key, reading)), self.written(pulses)

    def buffered(self, lines, change, rate, size: int) -> tuple[Any, jax.Array]:
        """The lines after a change was added to their buffer, and the pulses that leave it."""
        pulse = self.buffer_granularity * self.devices[FAST].granularity
        auto = jnp.asarray(self.auto_granularity)
        pulse *= jnp.where(auto > 0, auto / (size * self.period), 1.0)
        buffer = lines.buffer + rate / pulse * change
        pulses = whole_pulses(buffer, self.max_pulses)
        buffer = without_pulses(buffer, pulses, 1.0, self.momentum, self.forget)
        return lines._replace(buffer=buffer), pulses

    def written(self, pulses) -> Release:
        """Pulses as a change of the slow array."""
        return Release(pulses, self.devices[SLOW].granularity)

    def flips(self, key, reading: Reading) -> jax.Array:
        """Which lines change their sign now that they were read, ``(lines, 1)``."""
        if self.chop_random:
            return jax.random.bernoulli(key, self.chop_prob, reading.sweeps.shape)
        return self.regular_flips(reading)

    def regular_flips(self, reading: Reading) -> jax.Array:
        """All lines in the last sweep of each phase."""
        ends = reading.sweeps % self.phase == self.phase - 1
        return ends & (jnp.asarray(self.chop_prob) > 0)

    @property
    def phase(self) -> jax.Array:
        """Sweeps between two regular flips, ``max(ceil(1 / chop_prob), 2)``."""
        # The inverse of a float32 may lie just above the number whose inverse that is.
        sweeps = jnp.ceil(ratio(1.0, jnp.asarray(self.chop_prob)) * (1 - 1e-6))
        return jnp.maximum(sweeps, 2).astype(jnp.int32)

    def chopped(self, lines, flips) -> Any:
        """The lines with some signs changed."""
        return lines._replace(chopper=jnp.where(flips, -lines.chopper, lines.chopper))


def chopped_tiki_taka(
    learning_rate: optax.ScalarOrSchedule,
    device: Device | Sequence[Device],
    *,
    key: jax.Array | int,
    gamma=0.0,
    transfer_lr: optax.ScalarOrSchedule = 1.0,
    scale_transfer_lr: bool = False,
    transfer_every: int = 1,
    chop_prob=0.1,
    chop_random: bool = True,
    buffer_granularity=1.0,
    auto_granularity=0.0,
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
    r"""Chopped Tiki-Taka (c-TTv2): version 2 with signs c that make offsets of the reads cancel.

    .. math::
      A &\leftarrow \mathrm{pulse}(A, -\alpha\,\delta (c\odot x)^T) \quad\text{each sample} \\
      h_j &= H_j + (\beta / g_H)\, c_j A_j \quad\text{every } T \text{ steps, } j
        \text{ the next line} \\
      n_j &= \mathrm{trunc}(h_j), \quad |n| \le n_{max} \\
      C_j &\leftarrow \mathrm{pulse}(C_j, n_j) \\
      H_j &\leftarrow m\,h_j \text{ where } n_j \ne 0 \text{ (forget), or } h_j - (1-m)\,n_j \\
      c_j &\leftarrow -c_j \text{ now and then, after the read}

    The buffer counts pulses, and takes :math:`g_H = buffer\_granularity\cdot g_A` for one; with
    auto granularity ``auto_granularity / (lines * T)`` times that. The weight is
    :math:`W = C + \gamma\, c A`; the initial weights are on C. Because A stands for the
    gradient with either sign in turn, an offset of its symmetric point averages out.

    Args:
      learning_rate: :math:`\alpha`, change of the fast array per unit of gradient, a number or a
        schedule; in pulses, ``learning_rate * |x d| / granularity`` a crosspoint and sample. With
        ``auto_scale`` it is the number of pulses itself.
      device: what the crosspoints are made of; one for both, or the pair (slow, fast).
      key: PRNG key or seed of all crosspoints, pulses and signs.
      gamma: share of the fast array in the weight, in [0, 1].
      transfer_lr: :math:`\beta`, a number or a schedule; a read adds ``beta * |A| / g_H`` pulses to
        the buffer.
      scale_transfer_lr: whether it is multiplied by the learning rate.
      transfer_every: T, steps (mini-batches) between two transfers.
      chop_prob: probability with which a line changes its sign after it was read, in [0, 1].
      chop_random: change signs at random, or regularly: all lines once every
        ``max(ceil(1 / chop_prob), 2)`` sweeps over all lines (never if chop_prob is 0).
      buffer_granularity: what a pulse takes in the buffer, in granularities of the fast array.
      auto_granularity: the same as a number of reads of one granularity each that all lines
        together make for a pulse, at a transfer a step; 0 to leave it out. Published values,
        500 to 1000, count T in samples: divide them by the size of a mini-batch.
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
      The state of a parameter is a ``ChoppedState``.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, if a setting is out of its range, or if
        ``auto_scale`` lacks the factors.

    Reference: Rasch, Carta, Fagbohungbe, Gokmen, "Fast and robust analog in-memory deep neural
    network training", Nat. Commun. 15:7133 (2024).

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> rule = analogjax.chopped_tiki_taka(0.1, SoftBounds.with_states(100), key=0)
      >>> state = rule.init({"kernel": jnp.zeros((3, 2))})
      >>> state.weights["kernel"].chopper.ravel().tolist()
      [1.0, 1.0, 1.0]
    """
    if not chop_random:
        check_regular(transfer_order, reads_per_transfer)
    rule = ChoppedTransfer(
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


def check_regular(order: Order, reads: float | None) -> None:
    """Raises a ValueError if some lines may be read twice in a sweep, and others not at all."""
    if order == "random" and reads is not None:
        raise ValueError(
            "transfer_order='random' does not go with regular choppers, which change the sign of "
            "each line once it was read in the last sweep of a phase: use 'cyclic', or read all "
            "lines (reads_per_transfer=None)."
        )


def chopped_settings(**settings) -> dict[str, Any]:
    """The fields of choppers and buffer from their arguments; raises a ValueError if one is bad."""

    def within(name, high=1.0, **kwargs):
        return {name: check_range(name, settings[name], 0.0, high, **kwargs)}

    return {
        **settings,
        **within("chop_prob"),
        **within("momentum"),
        **within("auto_momentum"),
        **within("buffer_granularity", np.inf, open_low=True),
        **within("auto_granularity", np.inf),
        "max_pulses": check_count("max_pulses", settings["max_pulses"]),
    }
