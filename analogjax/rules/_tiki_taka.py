"""Tiki-Taka: one array gathers the gradient, another takes it over column by column."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from analogjax.devices import Device
from analogjax.pulses import BatchedPulses, PulseScheme
from analogjax.rules._base import analog_transformation
from analogjax.rules._checks import check_count, check_range, check_rate, device_list
from analogjax.rules._transfer_chain import TransferChain


def tiki_taka(
    learning_rate: optax.ScalarOrSchedule,
    device: Device | Sequence[Device],
    *,
    key: jax.Array | int,
    gamma=0.0,
    transfer_lr=1.0,
    transfer_every: int = 1,
    reads_per_transfer: int = 1,
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
    the slow array.

    Args:
      learning_rate: :math:`\alpha`, change of the fast array per unit of gradient, a number or a
        schedule.
      device: what the crosspoints are made of; one for both, or the pair (slow, fast).
      key: PRNG key or seed of all crosspoints and pulses.
      gamma: share of the fast array in the weight, in [0, 1].
      transfer_lr: :math:`\beta`, change of the slow array per unit of the fast one at a transfer;
        not scaled by the learning rate.
      transfer_every: T, steps (mini-batches) between two transfers.
      reads_per_transfer: input lines read and written at each transfer.
      pulses: scheme of the gradient; :class:`~analogjax.pulses.BatchedPulses` by default.
      transfer_pulses: scheme of the transfers; likewise.

    Returns:
      An optax gradient transformation; takes ``factors=`` as :func:`analogjax.analog_sgd` does.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, or if a period is below 1 or gamma outside
        [0, 1].

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
    check_range("gamma", gamma, 0.0, 1.0)
    check_rate("transfer_lr", transfer_lr)
    rule = TransferChain(
        devices=device_list(device, 2),
        scales=jnp.stack([jnp.ones(()), jnp.asarray(gamma, jnp.float32)]),
        periods=(check_count("transfer_every", transfer_every),),
        rates=(transfer_lr,),
        reads=check_count("reads_per_transfer", reads_per_transfer),
        pulses=pulses or BatchedPulses(),
        transfer_pulses=transfer_pulses or BatchedPulses(),
    )
    return analog_transformation(learning_rate, rule, key=key)
