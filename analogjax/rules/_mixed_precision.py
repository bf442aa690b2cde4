"""Mixed precision: the gradient is gathered digitally and written in whole pulses."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from analogjax.devices import Device, check_count, draw_uniform, ratio
from analogjax.pulses import PulseScheme, change_if, largest, outer_sum
from analogjax.rules._base import analog_transformation
from analogjax.rules._checks import check_range, device_list, pulse_scheme
from analogjax.rules._signal import Signal
from analogjax.tiles import (
    TileStack,
    age,
    count_pulses,
    count_trains,
    effective_weight,
    program_stack,
    replace_tile,
    written,
)

# What rounding draws from the key of a step, far from what pulses and tiles use.
_ROUNDING = np.uint32(2**32 - 21)


class MixedPrecisionState(NamedTuple):
    """One weight matrix under mixed precision.

    Attributes:
      stack: the single tile.
      chi: digital memory of the gradient not yet written, in units of the weight, ``(in, out)``.
      velocity: sum of the gradients with momentum, ``(in, out)``; None without.
    """

    stack: TileStack
    chi: jax.Array
    velocity: jax.Array | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _MixedPrecision:
    device: Device
    period: int
    momentum: Any
    x_bins: int
    d_bins: int
    stochastic_rounding: bool
    pulses: PulseScheme
    num_keys = 1

    def init(self, key: jax.Array, w: jax.Array) -> MixedPrecisionState:
        stack = program_stack(key, (self.device,), w, jnp.ones(1))
        # An array that is zero is a hyperparameter, which may rise.
        none = isinstance(self.momentum, int | float) and self.momentum == 0
        return MixedPrecisionState(stack, jnp.zeros_like(w), None if none else jnp.zeros_like(w))

    def effective(self, state: MixedPrecisionState) -> jax.Array:
        return effective_weight(state.stack)

    def step(
        self, keys, state: MixedPrecisionState, signal: Signal, learning_rate, count, stage
    ) -> MixedPrecisionState:
        del stage
        gradient = self._gradient(keys[0], signal)
        if state.velocity is not None:
            gradient = self.momentum * state.velocity + gradient
            state = state._replace(velocity=gradient)
        state = state._replace(chi=state.chi + learning_rate * gradient)
        if self.period == 1:
            state = self._write(keys[0], state)
        else:
            due = (count + 1) % self.period == 0
            state = change_if(due, lambda state: self._write(keys[0], state), state)
        return state._replace(stack=age(keys, (self.device,), state.stack))

    def _gradient(self, key, signal: Signal) -> jax.Array:
        """The gradient, made of the factors as the digital unit sees them."""
        if not self.x_bins and not self.d_bins:
            return signal.gradient
        if signal.factors is None:
            raise ValueError(
                "x_bins and d_bins quantise the vectors x and d: call update(..., factors=...), or "
                "leave them out."
            )
        keys = jax.random.split(jax.random.fold_in(key, _ROUNDING))
        bins = self.x_bins, self.d_bins
        x, d = (
            _quantised(k if self.stochastic_rounding else None, part, n) if n else part
            for k, part, n in zip(keys, signal.factors, bins, strict=True)
        )
        return outer_sum(x, d, signal.gradient.shape[1])

    def _write(self, key, state: MixedPrecisionState) -> MixedPrecisionState:
        """Writes the whole pulses of the memory, one output line after another."""
        tile = state.stack.tiles[0]
        granularity = self.device.granularity
        change = jnp.trunc(state.chi / granularity) * granularity
        # Each output line is a group of columns of its own, with one vector pair.
        on = jnp.ones((tile.shape[1], 1))
        sent = self.pulses.send(key, self.device, tile.cells, tile.w, change.T, on, 1.0)
        stack = replace_tile(state.stack, 0, written(key, self.device, tile, sent))
        stack = count_trains(count_pulses(stack, 0, sent), 0, tile.shape[1], sent)
        return state._replace(stack=stack, chi=state.chi - change)


def _quantised(key, vectors: jax.Array, bins: int) -> jax.Array:
    """Each vector rounded to ``bins // 2`` steps of either sign, the last at its largest entry."""
    steps = bins // 2
    width = largest(vectors) / steps
    scaled = ratio(vectors, width)
    if key is not None:
        scaled = scaled + draw_uniform(key, vectors.shape, minval=-0.5, maxval=0.5)
    return width * jnp.clip(jnp.round(scaled), -steps, steps)


def mixed_precision(
    learning_rate: optax.ScalarOrSchedule,
    device: Device,
    *,
    key: jax.Array | int,
    transfer_every: int = 1,
    momentum=0.0,
    x_bins: int = 0,
    d_bins: int = 0,
    stochastic_rounding: bool = False,
    pulses: PulseScheme | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Mixed-precision training: a digital memory gathers the gradient, pulses write its wholes.

    .. math::
      v \leftarrow \mu v + \nabla f, \qquad
      \chi \leftarrow \chi + \alpha v, \qquad q = \mathrm{trunc}(\chi / g), \qquad
      \chi \leftarrow \chi - q g, \qquad W \leftarrow \mathrm{pulse}(W, -q g)

    with g the device's granularity. Each output line is written with its own pulse train, in which
    a crosspoint gets Binomial(max q, q / max q) pulses; what a train of ``desired_bl`` slots cannot
    hold is lost, as in hardware. The gradient is gathered digitally: its factors are needed only
    where they are quantised, as the digital unit of the hardware does, and ignored otherwise.

    Args:
      learning_rate: :math:`\alpha`, weight change per unit of gradient, a number or a schedule; in
        pulses, ``learning_rate * |gradient| / granularity`` a crosspoint and step.
      device: what the crosspoints are made of.
      key: PRNG key or seed of all crosspoints and pulses.
      transfer_every: steps (mini-batches) between two writings.
      momentum: :math:`\mu`, in [0, 1].
      x_bins: steps that each input vector is rounded to, half of them (``x_bins // 2``) between
        zero and its largest entry of either sign; 0 for none, else at least 2.
      d_bins: the same for each error vector.
      stochastic_rounding: whether they are rounded up or down at random, right on average.
      pulses: scheme of the writing; :class:`~analogjax.pulses.BatchedPulses` by default, which is
        exact for single vectors.

    Returns:
      An optax gradient transformation.

    Raises:
      ValueError: as :func:`analogjax.analog_sgd`, if a setting is out of its range, or if factors
        to be quantised are missing.

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
    for name, bins in (("x_bins", x_bins), ("d_bins", d_bins)):
        if check_count(name, bins, 0) == 1:
            raise ValueError(f"{name} must be 0 (not quantised) or at least 2, got 1.")
    rule = _MixedPrecision(
        device=device_list(device, 1)[0],
        period=check_count("transfer_every", transfer_every),
        momentum=check_range("momentum", momentum, 0.0, 1.0),
        x_bins=x_bins,
        d_bins=d_bins,
        stochastic_rounding=stochastic_rounding,
        pulses=pulse_scheme("pulses", pulses),
    )
    quantised = bool(x_bins or d_bins)
    return analog_transformation(learning_rate, rule, key=key, use_factors=quantised)
