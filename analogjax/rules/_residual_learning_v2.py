"""Residual learning, version 2: the transfer is taken from a moving average of the reads."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from analogjax.devices import Device
from analogjax.pulses import PulseScheme
from analogjax.rules._base import analog_transformation
from analogjax.rules._buffered import (
    SLOW,
    BufferedState,
    BufferedTransfer,
    Reading,
    Release,
    buffered_settings,
    with_share,
)
from analogjax.rules._checks import check_range, pulse_scheme
from analogjax.rules._readout import Lines, Order, Read


@dataclasses.dataclass(frozen=True, kw_only=True)
class _ResidualLearningV2(BufferedTransfer):
    momentum: Any
    threshold: Any

    def release(
        self, key, lines: BufferedState, reading: Reading, rate
    ) -> tuple[BufferedState, Release]:
        del key
        buffer = self.momentum * lines.buffer + (1.0 - self.momentum) * reading.values
        least = self.threshold * self.devices[SLOW].granularity
        change = jnp.where(jnp.abs(buffer) > least, buffer, 0.0)
        return lines._replace(buffer=buffer), Release(change, rate)


def residual_learning_v2(
    learning_rate: optax.ScalarOrSchedule,
    device: Device | Sequence[Device],
    *,
    key: jax.Array | int,
    gamma=0.4,
    transfer_lr: optax.ScalarOrSchedule = 0.1,
    scale_transfer_lr: bool = False,
    transfer_every: int = 1,
    momentum=0.9,
    threshold=1.0,
    reads_per_transfer: float | None = 1,
    transfer_lines: Lines = "inputs",
    transfer_order: Order = "cyclic",
    transfer_read: Read | None = None,
    pulses: PulseScheme | None = None,
    transfer_pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Residual learning with a moving-average buffer H between the residual array P and W.

    .. math::
      P &\leftarrow \mathrm{pulse}(P, -\alpha\,\delta x^T) \quad\text{each sample, at }
        \bar W = W + \gamma P \\
      H_j &\leftarrow m H_j + (1 - m) P_j \quad\text{every } T \text{ steps, } j
        \text{ the next line} \\
      W_j &\leftarrow \mathrm{pulse}(W_j, +\beta H_j) \text{ where } |H_j| > \theta g_W

    The average takes out the noise of the reads and of the pulses, and nothing is written for less
    than a step of W. The initial weights are on W. On one fast and one slow array without H and
    threshold this is :func:`tiki_taka` with :math:`\gamma > 0`.

    Args:
      learning_rate: :math:`\alpha`, change of P per unit of gradient, a number or a schedule; in
        pulses, ``learning_rate * |x d| / granularity`` a crosspoint and sample.
      device: what the crosspoints are made of; one for both, or the pair (W, P).
      key: PRNG key or seed of all crosspoints and pulses.
      gamma: share of P in the weight, in [0, 1].
      transfer_lr: :math:`\beta`, change of W per unit of H at a transfer, a number or a schedule;
        in pulses, ``transfer_lr * |H| / granularity``.
      scale_transfer_lr: whether it is multiplied by the learning rate.
      transfer_every: T, steps (mini-batches) between two transfers.
      momentum: m, share of the average before, in [0, 1].
      threshold: :math:`\theta`, what H must exceed to be written, in granularities of W.
      reads_per_transfer: lines read and written at each transfer, or a share of them, in (0, 1);
        None for all.
      transfer_lines: read "inputs" (rows of W) or "outputs" (columns of W).
      transfer_order: start where the last transfer ended ("cyclic"), or anywhere ("random").
      transfer_read: the product that a read is, ``(key, x, w) -> x @ w`` with whatever converters
        and wires do to it; perfect by default.
      pulses: scheme of the gradient; :class:`~analogjax.pulses.BatchedPulses` by default.
      transfer_pulses: scheme of the transfers; likewise.

    Returns:
      An optax gradient transformation; takes ``factors=`` as :func:`analogjax.analog_sgd` does.
      The state of a parameter has the fields ``stack`` and ``buffer``.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, or if a setting is out of its range.

    Reference: Wu et al., arXiv:2502.06309, section 5 (residual learning v2).

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> rule = analogjax.residual_learning_v2(0.1, SoftBounds.with_states(100), key=0)
      >>> state = rule.init({"kernel": jnp.zeros((3, 2))})
      >>> state.weights["kernel"].buffer.shape
      (3, 2)
    """
    rule = _ResidualLearningV2(
        momentum=check_range("momentum", momentum, 0.0, 1.0),
        threshold=check_range("threshold", threshold, 0.0, np.inf),
        **buffered_settings(
            device=device,
            scales=with_share(gamma),
            transfer_lr=transfer_lr,
            scale_transfer_lr=scale_transfer_lr,
            transfer_every=transfer_every,
            reads_per_transfer=reads_per_transfer,
            transfer_lines=transfer_lines,
            transfer_order=transfer_order,
            transfer_read=transfer_read,
            pulses=pulses,
            transfer_pulses=pulse_scheme("transfer_pulses", transfer_pulses),
        ),
    )
    return analog_transformation(learning_rate, rule, key=key)
