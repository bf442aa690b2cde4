"""Multi-tile residual learning: each tile learns what the coarser ones have left over."""

from collections.abc import Sequence
from typing import Literal, get_args

import jax
import numpy as np
import optax

from analogjax.devices import Device, check_count
from analogjax.pulses import PulseScheme
from analogjax.rules._base import analog_transformation
from analogjax.rules._checks import (
    check_choice,
    check_range,
    device_list,
    pulse_scheme,
)
from analogjax.rules._rates import periods, rates, scales
from analogjax.rules._readout import Lines, Order, Read, readout
from analogjax.rules._transfer_chain import TransferChain
from analogjax.rules._warm_start import WarmStart

Source = Literal["last", "last-but-one", "next"]


def residual_learning(
    learning_rate: optax.ScalarOrSchedule,
    device: Device | Sequence[Device],
    *,
    key: jax.Array | int,
    num_tiles: int = 4,
    gamma=0.5,
    transfer_lr=0.1,
    scale_transfer_lr: bool = False,
    transfer_every: int | Sequence[int] = 5,
    reads_per_transfer: float | None = 1,
    transfer_lines: Lines = "inputs",
    transfer_order: Order = "cyclic",
    transfer_read: Read | None = None,
    transfer_threshold=0.0,
    warm_start: WarmStart | None = None,
    warm_start_from: Source = "last",
    warm_start_every: int | None = None,
    chain: bool = True,
    pulses: PulseScheme | None = None,
    transfer_pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Multi-tile residual learning on low-precision tiles, :math:`W = \sum_n\gamma^n W_n`.

    Tile N, the least significant, takes the gradient; each tile n takes over, line by line, what
    tile n + 1 has gathered:

    .. math::
      W_N &\leftarrow \mathrm{pulse}(W_N, -\alpha\,\delta x^T) \quad\text{each sample} \\
      W_n &\leftarrow \mathrm{pulse}(W_n, +\beta_n W_{n+1}) \quad\text{every } T_n \text{ steps}

    With a warm start the tiles are first filled one at a time, the most significant first. In
    stage k = 0 ... N-1 only tile k is written, always from tile N, at the rate of the last
    transfer. ``warm_start_from`` says what else may be done: with "last-but-one" tile N-1 goes on
    taking over from tile N all the time, and tile k = 0 ... N-2 is written from tile N-1, as the
    published code does on a GPU; with "next", which is not published, tiles k ... N-1 are written
    as in the chain, and each of them averages what it passes on. After the last stage the whole
    chain starts, or with ``chain=False`` the last stage goes on.

    On devices of few states the warm start is what makes the tiles work together, and a chain that
    starts while the coarse tiles still move by whole states can undo it: prefer
    :class:`analogjax.Stages` or :class:`analogjax.Plateau` to None, and try both values of
    ``chain``. The initial weights are on tile 0. With one tile this is
    :func:`analogjax.analog_sgd`.

    Args:
      learning_rate: :math:`\alpha`, change of the last tile per unit of gradient (of W, not times
        :math:`\gamma^N`), a number or a schedule; in pulses, ``learning_rate * |x d| /
        granularity`` a crosspoint and sample.
      device: what the crosspoints are made of; one for all, or one for each tile, the most
        significant first.
      key: PRNG key or seed of all crosspoints and pulses.
      num_tiles: number of tiles, N + 1.
      gamma: significance of a tile relative to the one before, in (0, 1], or the significances of
        all tiles, 1 first; should be above 1 / n_states for the ranges of the tiles to overlap.
      transfer_lr: :math:`\beta_n`, change of tile n per unit of tile n + 1 at a transfer; in
        pulses, ``transfer_lr * |W_{n+1}| / granularity``. A number or a schedule for all, or one
        for each tile but the last.
      scale_transfer_lr: whether the transfer rates are multiplied by the learning rate.
      transfer_every: a number T for nested counters, :math:`T_n = T^{N-n}` (each tile passes on
        after T updates of its own), or the absolute periods :math:`T_0 > ... > T_{N-1}` in steps.
      reads_per_transfer: lines read and written at each transfer, or a share of them, in (0, 1);
        None for all.
      transfer_lines: read "inputs" (rows of W) or "outputs" (columns of W).
      transfer_order: start where the last transfer ended ("cyclic"), or anywhere ("random").
      transfer_read: the product that a read is, ``(key, x, w) -> x @ w`` with whatever converters
        and wires do to it; perfect by default.
      transfer_threshold: smallest magnitude of a read that is passed on, a number, as by a
        comparator: what is read of a tile below one of its states is mostly noise.
      warm_start: how its stages follow each other, or None for the chain from the start.
      warm_start_from: which tile the warm start reads: the "last", as published, the
        "last-but-one", or of each tile it writes the "next".
      warm_start_every: steps between two transfers from that tile; by default its period in the
        chain, :math:`T_{N-1}` of the last and :math:`T_{N-2}` of the last but one.
      chain: whether the chain follows the warm start; if not, its last stage goes on for ever.
      pulses: scheme of the gradient; :class:`~analogjax.pulses.BatchedPulses` by default.
      transfer_pulses: scheme of the transfers; likewise.

    Returns:
      An optax gradient transformation; takes ``factors=`` as :func:`analogjax.analog_sgd` does,
      and ``value=`` (the loss) where the warm start needs it.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, or if a period is below 1, gamma outside (0, 1],
        a sequence has the wrong length or, of gamma, does not start with 1, the threshold is
        negative or a function, the loss is missing, there are too few tiles for
        ``warm_start_from``, or ``warm_start_every`` is given with "next", which has the periods of
        the chain.

    Reference: Li et al., arXiv:2510.02516, equations (6) and (7), Algorithm 1.

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> rule = analogjax.residual_learning(
      ...     0.5, SoftBounds.with_states(4), key=0, num_tiles=6, warm_start=analogjax.Stages(500))
      >>> state = rule.init({"kernel": jnp.full((3, 2), 0.25)})
      >>> stack = state.weights["kernel"]
      >>> len(stack.tiles), stack.tiles[0].w.max().item()
      (6, 0.25)
    """
    num_tiles = check_count("num_tiles", num_tiles)
    every = periods(transfer_every, num_tiles - 1)
    check_choice("warm_start_from", warm_start_from, get_args(Source))
    if warm_start_from == "next" and warm_start_every is not None:
        raise ValueError(
            f"warm_start_every={warm_start_every} has no effect with warm_start_from='next': leave "
            f"it out, its periods are those of transfer_every."
        )
    hub = {"last": num_tiles - 1, "last-but-one": num_tiles - 2, "next": None}[warm_start_from]
    if warm_start_from == "last-but-one" and num_tiles < 3:
        raise ValueError(
            f"warm_start_from='last-but-one' needs at least 3 tiles, got num_tiles={num_tiles}: "
            f"use 'last'."
        )
    if warm_start_every is None:
        warm_start_every = every[(hub or num_tiles - 1) - 1] if every else 1
    rule = TransferChain(
        devices=device_list(device, num_tiles),
        scales=scales(gamma, num_tiles, open_low=True),
        periods=every,
        rates=rates(transfer_lr, num_tiles - 1),
        scale_rates=scale_transfer_lr,
        readout=readout(reads_per_transfer, transfer_lines, transfer_order, transfer_read),
        chain=chain,
        hub=hub,
        warm_period=check_count("warm_start_every", warm_start_every),
        pulses=pulse_scheme("pulses", pulses),
        transfer_pulses=pulse_scheme("transfer_pulses", transfer_pulses),
        threshold=check_range("transfer_threshold", transfer_threshold, 0.0, np.inf),
    )
    if num_tiles == 1:
        warm_start = None  # Nothing to warm: there is no tile to transfer to.
    return analog_transformation(learning_rate, rule, key=key, warm_start=warm_start)
