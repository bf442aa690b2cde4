"""Rules of a fast array and slow ones with something digital between them."""

import abc
import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import Device, check_count
from analogjax.pulses import BatchedPulses, PulseScheme, change_if
from analogjax.rules._checks import check_range, check_rate, device_list, pulse_scheme
from analogjax.rules._rates import value_at
from analogjax.rules._readout import Readout, readout
from analogjax.rules._send_gradient import send_gradient
from analogjax.rules._signal import Signal
from analogjax.rules._write_lines import write_lines
from analogjax.tiles import (
    TileStack,
    age,
    count_reads,
    effective_weight,
    program_stack,
    read,
)

SLOW, FAST = 0, 1  # Where there are several slow arrays, the first of them.
# What is drawn of its own from the key of the slow array, far from what transfers and tiles use.
_RELEASE = np.uint32(2**32 - 13)


class BufferedState(NamedTuple):
    """One weight matrix under a rule with a digital buffer.

    Attributes:
      stack: the slow arrays and the fast one, last.
      buffer: what was read of the fast array and not yet written to a slow one, ``(in, out)``.
    """

    stack: TileStack
    buffer: jax.Array


class Reading(NamedTuple):
    """What a transfer has read of the fast array.

    Attributes:
      values: the lines, ``(lines, out)``, or ``(lines, in)`` of output lines.
      sweeps: how many times all lines had been read before each of these, ``(lines, 1)``.
      size: number of all lines.
    """

    values: jax.Array
    sweeps: jax.Array
    size: int


class Release(NamedTuple):
    """What a transfer writes to the slow array.

    Attributes:
      change: wanted change, ``(lines, out)``, or ``(lines, in)`` for output lines.
      rate: weight change per unit of it.
    """

    change: jax.Array
    rate: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class BufferedTransfer(abc.ABC):
    r"""The rule of one weight matrix on a fast array A and a slow one C, :math:`W = C + \gamma A`.

    A is the last of the arrays. Of several slow ones that of the warm start's stage is C, the last
    of them after it.

    Every step A takes the gradient. Every ``period`` steps some lines of A are read into what the
    rule keeps digitally, and what this releases is written to C in pulses. The digital part is the
    state but for its stack: matrices of the shape of W, and of one number for each line,
    ``(in, 1)`` or ``(1, out)``.

    A rule writes :meth:`release`, and :meth:`digital` if it keeps more than a buffer.

    Attributes:
      devices: those of the slow arrays, all the same, and of the fast array.
      scales: significance of each array.
      period: steps between two transfers.
      transfer_lr: number or schedule that what is read is multiplied with.
      scale_transfer_lr: whether it is in units of the learning rate.
      readout: which lines a transfer reads, and through what.
      pulses: scheme that sends the gradient.
      transfer_pulses: scheme that writes the transfers.
    """

    devices: tuple[Device, ...]
    scales: jax.Array
    period: int
    transfer_lr: Any
    scale_transfer_lr: bool
    readout: Readout
    pulses: PulseScheme
    transfer_pulses: PulseScheme

    @property
    def num_keys(self) -> int:
        """One key for each array."""
        return len(self.devices)

    def digital(self, stack: TileStack) -> Any:
        """The first state, with the given stack: here with an empty buffer."""
        return BufferedState(stack, jnp.zeros(stack.tiles[SLOW].shape))

    @abc.abstractmethod
    def release(self, key: jax.Array, lines, reading: Reading, rate) -> tuple[Any, Release]:
        """What becomes of the digital part of some lines, and what is written.

        Args:
          key: a PRNG key.
          lines: the state without its stack, its matrices cut to the lines of this transfer,
            ``(lines, out)`` and ``(lines, 1)``.
          reading: what was read of the fast array.
          rate: the transfer rate at this step.
        """

    def signs(self, state) -> jax.Array | None:
        """The sign with which the fast array stands for each line; None if always plus."""
        del state
        return None

    def gradient_rate(self, state, signal: Signal, learning_rate) -> tuple[Any, Any]:
        """The state, and the rate with which the fast array takes the gradient."""
        del signal
        return state, learning_rate

    def init(self, key: jax.Array, w: jax.Array) -> Any:
        """The state with ``w`` on the first slow array."""
        return self.digital(program_stack(key, self.devices, w, self.scales))

    def effective(self, state) -> jax.Array:
        """The slow array, and the fast one as far as it counts."""
        signs = self.signs(state)
        if signs is None:
            return effective_weight(state.stack)
        slow, fast = map(read, state.stack.tiles)
        return slow + state.stack.scales[FAST] * signs * fast

    def step(self, keys, state, signal: Signal, learning_rate, count, stage) -> Any:
        """The gradient to the fast array, then the transfer if it is due."""
        fast = len(self.devices) - 1
        signal = signal.times(self.signs(state))
        state, fast_rate = self.gradient_rate(state, signal, learning_rate)
        stack = send_gradient(
            keys[fast], self.pulses, self.devices[fast], state.stack, fast, signal, fast_rate
        )
        scale = learning_rate if self.scale_transfer_lr else 1.0
        rate = scale * value_at(self.transfer_lr, count)
        number = (count + 1) // self.period - 1
        state = change_if(
            (count + 1) % self.period == 0,
            lambda state: self._transfer(keys[SLOW], state, rate, number, stage),
            state._replace(stack=stack),
        )
        return state._replace(stack=age(keys, self.devices, state.stack))

    def _transfer(self, key, state, rate, transfer, stage) -> Any:
        """Reads some lines, adds them to the digital part, and writes what that releases."""
        stack = state.stack
        fast, slow = stack.tiles[-1], range(len(self.devices) - 1)
        n: Any = SLOW if stage is None else jnp.minimum(stage, slow[-1])
        first = self.readout.first(key, fast, transfer)
        reading = Reading(
            self.readout.read(key, fast, self.readout.seen(fast, first), first),
            self.readout.sweeps(fast, transfer),
            fast.shape[self.readout.axis],
        )
        stack = count_reads(stack, len(slow), self.readout.count(fast))
        digital = state._replace(stack=None)
        before = self.readout.take(fast, digital, first)
        key_release = jax.random.fold_in(key, _RELEASE)
        lines, (change, rate) = self.release(key_release, before, reading, rate)
        digital = jax.tree.map(
            lambda whole, part: self.readout.put(whole, first, part) if whole.ndim == 2 else part,
            digital,
            lines,
        )
        stack = write_lines(
            key,
            self.transfer_pulses,
            self.devices[SLOW],
            stack,
            n,
            self.readout,
            first,
            change,
            rate,
            slow,
        )
        return digital._replace(stack=stack)


def whole_pulses(amount: jax.Array, most) -> jax.Array:
    """Whole numbers of pulses, cut off towards zero and at most ``most`` of either sign."""
    return jnp.clip(jnp.trunc(amount), -most, most)


def without_pulses(buffer, pulses, threshold, momentum, forget: bool) -> jax.Array:
    """What stays in a buffer after ``pulses``, each of ``threshold``, were released.

    Where there was a pulse, the whole buffer is forgotten but for a share ``momentum``; or, if it
    does not forget, what the pulses stand for is taken out but for that share.
    """
    if forget:
        return jnp.where(pulses != 0, momentum * buffer, buffer)
    return buffer - (1.0 - momentum) * pulses * threshold


def with_share(gamma) -> jax.Array:
    """The significances of a slow array and a fast one; raises a ValueError if out of range."""
    gamma = check_range("gamma", gamma, 0.0, 1.0)
    return jnp.stack([jnp.ones(()), jnp.asarray(gamma, jnp.float32)])


def buffered_settings(
    *, device, scales, transfer_lr, scale_transfer_lr, transfer_every, reads_per_transfer,
    transfer_lines, transfer_order, transfer_read, pulses, transfer_pulses, max_pulses: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """The fields that these rules share; raises a ValueError if an argument is out of range."""
    slow, fast = device_list(device, 2)
    if transfer_pulses is None:
        # Without update management the line that is on would pulse in 1 / sqrt(max_pulses) of the
        # slots only, while the buffer is debited for all pulses.
        transfer_pulses = BatchedPulses(
            desired_bl=check_count("max_pulses", max_pulses),
            update_management=True,
            update_bl_management=False,
        )
    return {
        "devices": (*[slow] * (len(scales) - 1), fast),
        "scales": scales,
        "period": check_count("transfer_every", transfer_every),
        "transfer_lr": check_rate("transfer_lr", transfer_lr),
        "scale_transfer_lr": scale_transfer_lr,
        "readout": readout(reads_per_transfer, transfer_lines, transfer_order, transfer_read),
        "pulses": pulse_scheme("pulses", pulses),
        "transfer_pulses": pulse_scheme("transfer_pulses", transfer_pulses),
    }
