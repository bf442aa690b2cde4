"""Residual learning through a buffer: reads are summed digitally until they make a whole pulse."""

from collections.abc import Sequence

import jax
import optax

from analogjax.devices import Device, check_count
from analogjax.pulses import PulseScheme
from analogjax.rules._base import analog_transformation
from analogjax.rules._buffered import buffered_settings
from analogjax.rules._rates import scales
from analogjax.rules._readout import Lines, Order, Read
from analogjax.rules._tiki_taka_v2 import SummedTransfer
from analogjax.rules._warm_start import WarmStart


def buffered_residual_learning(
    learning_rate: optax.ScalarOrSchedule,
    device: Device | Sequence[Device],
    *,
    key: jax.Array | int,
    num_tiles: int = 2,
    gamma=0.5,
    transfer_lr: optax.ScalarOrSchedule = 0.1,
    scale_transfer_lr: bool = False,
    transfer_every: int = 1,
    reads_per_transfer: float | None = 1,
    transfer_lines: Lines = "inputs",
    transfer_order: Order = "cyclic",
    transfer_read: Read | None = None,
    warm_start: WarmStart | None = None,
    pulses: PulseScheme | None = None,
    transfer_pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Residual learning whose tiles are filled through a digital buffer of the reads.

    Tile N, the least significant, takes the gradient. What is read of it is summed in a buffer H,
    which sends a whole pulse to tile k, the one that the warm start has come to, once it holds one:

    .. math::
      W_N &\leftarrow \mathrm{pulse}(W_N, -\alpha\,\delta x^T) \quad\text{each sample} \\
      h_j &= H_j + \beta W_{N,j} \quad\text{every } T \text{ steps, } j \text{ the next line} \\
      n_j &= \mathrm{trunc}(h_j / g), \quad |n| \le 1, \qquad
        W_{k,j} \leftarrow \mathrm{pulse}(W_{k,j}, n_j), \qquad H_j \leftarrow h_j - n_j g

    with :math:`g` the granularity of the coarse tiles and :math:`W = \sum_n \gamma^n W_n`. The
    stages of the warm start fill the tiles k = 0 ... N-1 one by one, and the last goes on for ever.

    A tile of few states keeps hardly any average: it forgets within as many pulses as it has
    states, so that what :func:`residual_learning` passes on is mostly the noise of single samples,
    and a coarse tile moves by that. The buffer averages over about :math:`(g / \beta)^2` reads
    instead. Its price is a number for each weight kept digitally, as in :func:`tiki_taka_v2`. On
    two tiles it is that rule without forgetting, with ``momentum=0`` and reads that are not
    multiplied by :math:`\gamma`.

    Args:
      learning_rate: :math:`\alpha`, change of the last tile per unit of gradient, a number or a
        schedule; in pulses, ``learning_rate * |x d| / granularity`` a crosspoint and sample.
      device: what the crosspoints are made of; one for all, or the pair (coarse tiles, last tile).
      key: PRNG key or seed of all crosspoints and pulses.
      num_tiles: number of tiles, N + 1, at least 2.
      gamma: significance of a tile relative to the one before, in (0, 1], or the significances of
        all tiles, 1 first.
      transfer_lr: :math:`\beta`, change of the buffer per unit of the last tile at a read, a number
        or a schedule; a pulse takes ``granularity / (transfer_lr * |W_N|)`` reads that agree.
      scale_transfer_lr: whether it is multiplied by the learning rate.
      transfer_every: T, steps (mini-batches) between two transfers.
      reads_per_transfer: lines read and written at each transfer, or a share of them, in (0, 1);
        None for all.
      transfer_lines: read "inputs" (rows of W) or "outputs" (columns of W).
      transfer_order: start where the last transfer ended ("cyclic"), or anywhere ("random").
      transfer_read: the product that a read is, ``(key, x, w) -> x @ w`` with whatever converters
        and wires do to it; perfect by default.
      warm_start: how its stages follow each other; None only with two tiles, which have one stage.
      pulses: scheme of the gradient; :class:`~analogjax.pulses.BatchedPulses` by default.
      transfer_pulses: scheme of the writing; by default trains of one slot.

    Returns:
      An optax gradient transformation; takes ``factors=`` as :func:`analogjax.analog_sgd` does,
      and ``value=`` (the loss) where the warm start needs it. The state of a parameter has the
      fields ``stack`` and ``buffer``.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, or if a setting is out of its range, or if there
        are more than two tiles and no warm start.

    Reference: the tiles and stages of Li et al., arXiv:2510.02516, with the buffer of Gokmen,
    Front. Artif. Intell. 4:699148 (2021), Algorithm 2. Together they are not published.

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> rule = analogjax.buffered_residual_learning(
      ...     0.4, SoftBounds.with_states(4), key=0, num_tiles=6,
      ...     warm_start=analogjax.Stages(500))
      >>> state = rule.init({"kernel": jnp.zeros((3, 2))})
      >>> weights = state.weights["kernel"]
      >>> len(weights.stack.tiles), weights.buffer.shape
      (6, (3, 2))
    """
    num_tiles = check_count("num_tiles", num_tiles, 2)
    if warm_start is None and num_tiles > 2:
        raise ValueError(
            f"num_tiles={num_tiles} needs a warm start, which says which of them is written: pass "
            f"warm_start=Stages(steps), or use two tiles."
        )
    rule = SummedTransfer(
        share=1.0,
        threshold=1.0,
        momentum=0.0,
        forget=False,
        max_pulses=1,
        **buffered_settings(
            device=device,
            scales=scales(gamma, num_tiles, open_low=True),
            transfer_lr=transfer_lr,
            scale_transfer_lr=scale_transfer_lr,
            transfer_every=transfer_every,
            reads_per_transfer=reads_per_transfer,
            transfer_lines=transfer_lines,
            transfer_order=transfer_order,
            transfer_read=transfer_read,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
        ),
    )
    return analog_transformation(learning_rate, rule, key=key, warm_start=warm_start)
