"""Tiki-Taka, version 2: what is read of the fast array is low-pass filtered digitally."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from analogjax.devices import Device, check_count
from analogjax.pulses import PulseScheme
from analogjax.rules._base import analog_transformation
from analogjax.rules._buffered import (
    SLOW,
    BufferedState,
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class SummedTransfer(BufferedTransfer):
    """Reads are summed in the buffer until they make whole pulses, as in :func:`tiki_taka_v2`.

    Its arguments are the fields.

    Attributes:
      share: what reads are multiplied by beside the rate.
    """

    share: Any
    threshold: Any
    momentum: Any
    forget: bool
    max_pulses: int

    def release(
        self, key, lines: BufferedState, reading: Reading, rate
    ) -> tuple[BufferedState, Release]:
        """What was read is added to the buffer, and leaves it in whole pulses."""
        del key
        granularity = self.devices[SLOW].granularity
        threshold = self.threshold * granularity
        buffer = lines.buffer + rate * self.share * reading.values
        pulses = whole_pulses(buffer / threshold, self.max_pulses)
        buffer = without_pulses(buffer, pulses, threshold, self.momentum, self.forget)
        return lines._replace(buffer=buffer), Release(pulses, granularity)


def tiki_taka_v2(
    learning_rate: optax.ScalarOrSchedule,
    device: Device | Sequence[Device],
    *,
    key: jax.Array | int,
    gamma=0.0,
    transfer_lr: optax.ScalarOrSchedule = 1.0,
    scale_transfer_lr: bool = False,
    transfer_every: int = 1,
    threshold=1.0,
    momentum=0.1,
    forget: bool = True,
    max_pulses: int = 1,
    reads_per_transfer: float | None = 1,
    transfer_lines: Lines = "inputs",
    transfer_order: Order = "cyclic",
    transfer_read: Read | None = None,
    pulses: PulseScheme | None = None,
    transfer_pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Tiki-Taka, version 2: a digital buffer H between a fast and a slow array.

    .. math::
      A &\leftarrow \mathrm{pulse}(A, -\alpha\,\delta x^T) \quad\text{each sample} \\
      h_j &= H_j + \beta s A_j \quad\text{every } T \text{ steps, } j \text{ the next line},
        \quad s = \gamma \text{ if positive, else } 1 \\
      n_j &= \mathrm{trunc}(h_j / \theta), \quad |n| \le n_{max},
        \quad \theta = threshold\cdot g_C \\
      C_j &\leftarrow \mathrm{pulse}(C_j, n_j) \\
      H_j &\leftarrow m\,h_j \text{ where } n_j \ne 0 \text{ (forget), or } h_j - (1-m)\,n_j\theta

    with :math:`g_C` the granularity of the slow array: single pulses are written, and only for what
    reads have agreed on. The weight is :math:`W = C + \gamma A`; the initial weights are on C.

    Args:
      learning_rate: :math:`\alpha`, change of the fast array per unit of gradient, a number or a
        schedule; in pulses, ``learning_rate * |x d| / granularity`` a crosspoint and sample.
      device: what the crosspoints are made of; one for both, or the pair (slow, fast).
      key: PRNG key or seed of all crosspoints and pulses.
      gamma: share of the fast array in the weight, in [0, 1]; if positive, reads are multiplied
        by it, too.
      transfer_lr: :math:`\beta`, change of the buffer per unit of the fast array at a read, a
        number or a schedule; one pulse of the slow array takes ``threshold * g_C / (beta |A|)``
        reads.
      scale_transfer_lr: whether it is multiplied by the learning rate.
      transfer_every: T, steps (mini-batches) between two transfers.
      threshold: what the buffer must hold for a pulse, in granularities of the slow array.
      momentum: m, the share that a pulse leaves in the buffer, in [0, 1].
      forget: whether a pulse empties the buffer but for that share, or takes only its own out.
      max_pulses: most pulses that one transfer writes to a crosspoint.
      reads_per_transfer: lines read and written at each transfer, or a share of them, in (0, 1);
        None for all.
      transfer_lines: read "inputs" (rows of W) or "outputs" (columns of W).
      transfer_order: start where the last transfer ended ("cyclic"), or anywhere ("random").
      transfer_read: the product that a read is, ``(key, x, w) -> x @ w`` with whatever converters
        and wires do to it; perfect by default.
      pulses: scheme of the gradient; :class:`~analogjax.pulses.BatchedPulses` by default.
      transfer_pulses: scheme of the writing; by default trains of ``max_pulses`` slots with update
        management, in which a crosspoint with :math:`|n| = n_{max}` gets exactly its pulses, and
        any other as many on average.

    Returns:
      An optax gradient transformation; takes ``factors=`` as :func:`analogjax.analog_sgd` does.
      The state of a parameter has the fields ``stack`` and ``buffer``.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, or if a setting is out of its range.

    Reference: Gokmen, "Enabling training of neural networks on noisy hardware", Front. Artif.
    Intell. 4:699148 (2021).

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> rule = analogjax.tiki_taka_v2(0.1, SoftBounds.with_states(100), key=0)
      >>> state = rule.init({"kernel": jnp.zeros((3, 2))})
      >>> state.weights["kernel"].buffer.shape
      (3, 2)
    """
    max_pulses = check_count("max_pulses", max_pulses)
    scales = with_share(gamma)
    rule = SummedTransfer(
        share=jnp.where(scales[-1] > 0, scales[-1], 1.0),
        threshold=check_range("threshold", threshold, 0.0, float("inf"), open_low=True),
        momentum=check_range("momentum", momentum, 0.0, 1.0),
        forget=forget,
        max_pulses=max_pulses,
        **buffered_settings(
            device=device,
            scales=scales,
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
