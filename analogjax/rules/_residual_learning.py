"""Multi-tile residual learning: each tile learns what the coarser ones have left over."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from analogjax.devices import Device
from analogjax.pulses import BatchedPulses, PulseScheme
from analogjax.rules._base import analog_transformation
from analogjax.rules._checks import check_count, check_range, check_rate, device_list
from analogjax.rules._transfer_chain import TransferChain
from analogjax.rules._warm_start import WarmStart


def residual_learning(
    learning_rate: optax.ScalarOrSchedule,
    device: Device | Sequence[Device],
    *,
    key: jax.Array | int,
    num_tiles: int = 4,
    gamma=0.5,
    transfer_lr=0.1,
    transfer_every: int | Sequence[int] = 5,
    reads_per_transfer: int = 1,
    warm_start: WarmStart | None = None,
    chain: bool = True,
    pulses: PulseScheme | None = None,
    transfer_pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Multi-tile residual learning on low-precision tiles, :math:`W = \sum_n\gamma^n W_n`.

    Tile N, the least significant, takes the gradient; each tile n takes over, row by row, what
    tile n + 1 has gathered:

    .. math::
      W_N &\leftarrow \mathrm{pulse}(W_N, -\alpha\,\delta x^T) \quad\text{each sample} \\
      W_n &\leftarrow \mathrm{pulse}(W_n, +\beta_n W_{n+1}) \quad\text{every } T_n \text{ steps}

    With a warm start the tiles are first filled one at a time, the most significant first: in
    stage k = 0 ... N-1 only tile k is written, always from tile N, at tile N's period; after the
    last stage the chain above starts, or with ``chain=False`` the last stage goes on. On devices
    of few states the warm start is what makes the tiles work together, and a chain that starts
    while the coarse tiles still move by whole states can undo it: prefer
    :class:`analogjax.Stages` or :class:`analogjax.Plateau` to None, and try both values of
    ``chain``. The initial weights are on tile 0. With one tile this is
    :func:`analogjax.analog_sgd`.

    Args:
      learning_rate: :math:`\alpha`, change of the last tile per unit of gradient (of W, not times
        :math:`\gamma^N`), a number or a schedule.
      device: what the crosspoints are made of; one for all, or one for each tile, the most
        significant first.
      key: PRNG key or seed of all crosspoints and pulses.
      num_tiles: number of tiles, N + 1.
      gamma: significance of a tile relative to the one before, in (0, 1]; should be above
        1 / n_states for the ranges of the tiles to overlap.
      transfer_lr: :math:`\beta_n`, one number for all or one for each tile but the last; not
        scaled by the learning rate.
      transfer_every: a number T for nested counters, :math:`T_n = T^{N-n}` (each tile passes on
        after T updates of its own), or the absolute periods :math:`T_0, ..., T_{N-1}` in steps.
      reads_per_transfer: input lines read and written at each transfer, in cyclic order.
      warm_start: how its stages follow each other, or None for the chain from the start.
      chain: whether the chain follows the warm start; if not, its last stage goes on for ever.
      pulses: scheme of the gradient; :class:`~analogjax.pulses.BatchedPulses` by default.
      transfer_pulses: scheme of the transfers; likewise.

    Returns:
      An optax gradient transformation; takes ``factors=`` as :func:`analogjax.analog_sgd` does,
      and ``value=`` (the loss) where the warm start needs it.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, or if a period is below 1, gamma outside (0, 1],
        a sequence has the wrong length, or the loss is missing.

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
    check_range("gamma", gamma, 0.0, 1.0, open_low=True)
    periods = _periods(transfer_every, num_tiles - 1)
    rule = TransferChain(
        devices=device_list(device, num_tiles),
        scales=jnp.asarray(gamma, jnp.float32) ** jnp.arange(num_tiles),
        periods=periods,
        rates=_rates(transfer_lr, num_tiles - 1),
        reads=check_count("reads_per_transfer", reads_per_transfer),
        chain=chain,
        pulses=pulses or BatchedPulses(),
        transfer_pulses=transfer_pulses or BatchedPulses(),
    )
    if num_tiles == 1:
        warm_start = None  # Nothing to warm: there is no tile to transfer to.
    return analog_transformation(learning_rate, rule, key=key, warm_start=warm_start)


def _periods(transfer_every, transfers: int) -> tuple[int, ...]:
    """The steps between two transfers into each tile but the last."""
    if isinstance(transfer_every, Sequence):
        if len(transfer_every) != transfers:
            raise ValueError(
                f"transfer_every has {len(transfer_every)} periods {tuple(transfer_every)}; "
                f"{transfers + 1} tiles make {transfers} transfers."
            )
        return tuple(check_count("transfer_every", period) for period in transfer_every)
    nested = check_count("transfer_every", transfer_every)
    # Steps are counted in int32: what is longer never comes.
    return tuple(min(nested ** (transfers - n), 2**31 - 1) for n in range(transfers))


def _rates(transfer_lr, transfers: int) -> tuple:
    """The rate of the transfers into each tile but the last."""
    rates = tuple(transfer_lr) if isinstance(transfer_lr, Sequence) else (transfer_lr,) * transfers
    if len(rates) != transfers:
        raise ValueError(
            f"transfer_lr has {len(rates)} rates {rates}; {transfers + 1} tiles make "
            f"{transfers} transfers."
        )
    for rate in rates:
        check_rate("transfer_lr", rate)
    return rates
