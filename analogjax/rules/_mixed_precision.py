"""Mixed precision: the gradient is gathered digitally and written in whole pulses."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from analogjax.devices import Device
from analogjax.pulses import BatchedPulses, PulseScheme, Sent, change_if
from analogjax.rules._base import analog_transformation
from analogjax.rules._checks import check_count, device_list
from analogjax.rules._signal import Signal
from analogjax.tiles import (
    TileStack,
    age,
    count_pulses,
    effective_weight,
    program_stack,
    replace_tile,
    written,
)


class MixedPrecisionState(NamedTuple):
    """One weight matrix under mixed precision.

    Attributes:
      stack: the single tile.
      chi: digital memory of the gradient not yet written, in units of the weight, ``(in, out)``.
    """

    stack: TileStack
    chi: jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class _MixedPrecision:
    device: Device
    period: int
    pulses: PulseScheme
    num_keys = 1

    def init(self, key: jax.Array, w: jax.Array) -> MixedPrecisionState:
        stack = program_stack(key, (self.device,), w, jnp.ones(1))
        return MixedPrecisionState(stack, jnp.zeros_like(w))

    def effective(self, state: MixedPrecisionState) -> jax.Array:
        return effective_weight(state.stack, jnp.ones(1))

    def step(
        self, keys, state: MixedPrecisionState, signal: Signal, learning_rate, count, stage
    ) -> MixedPrecisionState:
        del stage
        state = state._replace(chi=state.chi + learning_rate * signal.gradient)
        if self.period == 1:
            state = self._write(keys[0], state)
        else:
            due = (count + 1) % self.period == 0
            state = change_if(due, lambda state: self._write(keys[0], state), state)
        return state._replace(stack=age(keys, (self.device,), state.stack, jnp.ones(1)))

    def _write(self, key, state: MixedPrecisionState) -> MixedPrecisionState:
        """Writes the whole pulses of the memory, one output line after another."""
        tile = state.stack.tiles[0]
        granularity = self.device.granularity
        change = jnp.trunc(state.chi / granularity) * granularity
        keys = jax.random.split(key, tile.shape[1])
        cell_axes = jax.tree.map(lambda leaf: 1 if jnp.ndim(leaf) == 2 else None, tile.cells)

        def one_line(key, cells, w, x):
            cells, w = jax.tree.map(lambda a: a[:, None] if jnp.ndim(a) == 1 else a, (cells, w))
            on = jnp.ones((1, 1))
            sent = self.pulses.send(key, self.device, cells, w, x[None], on, 1.0)
            return jax.tree.map(lambda a: a[:, 0], (sent.w, sent.up, sent.down))

        sent = Sent.summed(
            *jax.vmap(one_line, in_axes=(0, cell_axes, 1, 1), out_axes=1)(
                keys, tile.cells, tile.w, change
            )
        )
        stack = replace_tile(state.stack, 0, written(key, self.device, tile, sent))
        stack = count_pulses(stack, 0, sent)
        return MixedPrecisionState(stack, state.chi - change)


def mixed_precision(
    learning_rate: optax.ScalarOrSchedule,
    device: Device,
    *,
    key: jax.Array | int,
    transfer_every: int = 1,
    pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Mixed-precision training: a digital memory gathers the gradient, pulses write its wholes.

    .. math::
      \chi \leftarrow \chi + \alpha \nabla f, \qquad q = \mathrm{trunc}(\chi / g), \qquad
      \chi \leftarrow \chi - q g, \qquad W \leftarrow \mathrm{pulse}(W, -q g)

    with g the device's granularity. Each output line is written with its own pulse train, in which
    a crosspoint gets Binomial(max q, q / max q) pulses; what a train of ``desired_bl`` slots cannot
    hold is lost, as in hardware. The gradient is gathered digitally, so that its factors are not
    needed; ``factors=`` is ignored.

    Args:
      learning_rate: :math:`\alpha`, weight change per unit of gradient, a number or a schedule.
      device: what the crosspoints are made of.
      key: PRNG key or seed of all crosspoints and pulses.
      transfer_every: steps (mini-batches) between two writings.
      pulses: scheme of the writing; :class:`~analogjax.pulses.BatchedPulses` by default, which is
        exact for single vectors.

    Returns:
      An optax gradient transformation.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, or if the period is below 1.

    Reference: Nandakumar et al., "Mixed-precision deep learning based on computational memory",
    Front. Neurosci. 14:406 (2020).

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> rule = analogjax.mixed_precision(1.0, SoftBounds.with_states(10), key=0)
      >>> params = {"kernel": jnp.zeros((1, 1))}
      >>> state = rule.init(params)
      >>> updates, state = rule.update({"kernel": jnp.full((1, 1), 0.15)}, state, params)
      >>> updates["kernel"].item(), round(state.weights["kernel"].chi.item(), 3)
      (0.0, 0.15)
    """
    rule = _MixedPrecision(
        device=device_list(device, 1)[0],
        period=check_count("transfer_every", transfer_every),
        pulses=pulses or BatchedPulses(),
    )
    return analog_transformation(learning_rate, rule, key=key, use_factors=False)
