"""Tiki-Taka: one array gathers the gradient, another takes it over line by line."""

from collections.abc import Sequence

import jax
import optax

from analogjax.devices import Device, check_count
from analogjax.pulses import PulseScheme
from analogjax.rules._base import analog_transformation
from analogjax.rules._checks import device_list, pulse_scheme
from analogjax.rules._rates import periods, rates, scales
from analogjax.rules._readout import Lines, Order, Read, readout
from analogjax.rules._transfer_chain import TransferChain


def tiki_taka(
    learning_rate: optax.ScalarOrSchedule,
    device: Device | Sequence[Device],
    *,
    key: jax.Array | int,
    num_tiles: int = 2,
    gamma=0.0,
    transfer_lr=1.0,
    scale_transfer_lr: bool = False,
    transfer_every: int | Sequence[int] = 1,
    reads_per_transfer: float | None = 1,
    transfer_lines: Lines = "inputs",
    transfer_order: Order = "cyclic",
    transfer_read: Read | None = None,
    pulses: PulseScheme | None = None,
    transfer_pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Tiki-Taka, version 1: a fast array A and a slow array C, :math:`W = C + \gamma A`.

    .. math::
      A &\leftarrow \mathrm{pulse}(A, -\alpha\,\delta x^T) \quad\text{each sample} \\
      C_j &\leftarrow \mathrm{pulse}(C_j, +\beta A_j) \quad\text{every } T
        \text{ steps, } j \text{ the next input line}

    The fast array settles at its symmetric point whatever the noise, so that only a true gradient
    reaches the slow one. This needs the symmetric point to be at zero. The initial weights are on
    the slow array. With K tiles the gradient goes to the last, and each passes on what it gathers
    to the one before: :math:`W = \sum_n\gamma^n W_n`.

    Args:
      learning_rate: :math:`\alpha`, change of the fast array per unit of gradient, a number or a
        schedule; in pulses, ``learning_rate * |x d| / granularity`` a crosspoint and sample.
      device: what the crosspoints are made of; one for all, or one for each tile, the slowest
        first.
      key: PRNG key or seed of all crosspoints and pulses.
      num_tiles: K, at least 2.
      gamma: share of the fast array in the weight, in [0, 1]; with more tiles that of each
        relative to the one before, or the shares of all tiles, 1 (of the slowest) first.
      transfer_lr: :math:`\beta`, change of the slow array per unit of the fast one at a transfer;
        in pulses, ``transfer_lr * |A| / granularity``. A number or a schedule for all, or one for
        each tile but the last.
      scale_transfer_lr: whether it is multiplied by the learning rate.
      transfer_every: T, steps (mini-batches) between two transfers; with more tiles a number for
        nested counters, :math:`T^{K-1-n}`, or the absolute period of each tile but the last.
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

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, or if a period is below 1, periods do not
        increase towards the slow tiles, gamma is outside [0, 1], or a sequence has the wrong length
        or, of gamma, does not start with 1.

    Reference: Gokmen and Haensch, Front. Neurosci. 14:103 (2020), algorithm 1; Wu et al.,
    arXiv:2406.12774, section 4.

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> rule = analogjax.tiki_taka(0.1, SoftBounds.with_states(100), key=0, transfer_every=2)
      >>> state = rule.init({"kernel": jnp.zeros((3, 2))})
      >>> len(state.weights["kernel"].tiles)
      2
    """
    num_tiles = check_count("num_tiles", num_tiles, 2)
    rule = TransferChain(
        devices=device_list(device, num_tiles),
        scales=scales(gamma, num_tiles, open_low=False),
        periods=periods(transfer_every, num_tiles - 1),
        rates=rates(transfer_lr, num_tiles - 1),
        scale_rates=scale_transfer_lr,
        readout=readout(reads_per_transfer, transfer_lines, transfer_order, transfer_read),
        pulses=pulse_scheme("pulses", pulses),
        transfer_pulses=pulse_scheme("transfer_pulses", transfer_pulses),
    )
    return analog_transformation(learning_rate, rule, key=key)
