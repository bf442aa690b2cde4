"""Checks of what users hand to a rule: one clear sentence each."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import (
    Device,
    check_at_least_0,
    check_device,
    check_number,
    check_real,
    is_concrete,
    of_one_array,
)
from analogjax.pulses import BatchedPulses, Factors, PulseScheme, largest
from analogjax.rules._signal import Signal


@dataclasses.dataclass(frozen=True)
class CheckedSchedule:
    """A schedule whose values are checked, once it gives them, as :func:`check_rate` does."""

    name: str
    schedule: Callable[[jax.Array], Any]

    def __call__(self, count):
        return check_rate(self.name, self.schedule(count))


def check_rate(name: str, rate):
    """The rate or schedule; raises if it can be seen and is no number, negative or not finite.

    One that cannot be seen, since JAX is tracing it, is NaN where it is out of range.
    """
    if callable(rate) and not isinstance(rate, type):
        return CheckedSchedule(name, rate)
    check_number(name, "one number or a schedule", rate)
    if jnp.ndim(rate) != 0:
        raise ValueError(
            f"{name} must be one number or a schedule, got an array of shape {jnp.shape(rate)}."
        )
    check_at_least_0(name, rate)
    return rate if is_concrete(rate) else jnp.where((rate >= 0) & (rate < np.inf), rate, jnp.nan)


def check_range(name: str, value, low: float, high: float, *, open_low: bool = False):
    """The value; raises if it can be seen and is no number or outside ``[low, high]``.

    One that cannot be seen, since JAX is tracing it, is NaN where it is outside.
    """
    if callable(value):
        raise ValueError(
            f"{name} must be a number, got a function: only rates may be schedules; set other "
            f"numbers step by step with optax.inject_hyperparams."
        )
    check_number(name, "a number", value)
    seen = is_concrete(value)
    v = np.asarray(value) if seen else value
    inside = ((v > low) if open_low else (v >= low)) & (v <= high)
    if not seen:
        return jnp.where(inside, value, jnp.nan)
    if not np.all(inside):
        bracket = "(" if open_low else "["
        raise ValueError(f"{name} must lie in {bracket}{low}, {high}], got {value}.")
    return value


def is_sound(rule, count) -> jax.Array | bool:
    """Whether the checks have made no number of a rule NaN, nor what its schedules give now."""
    leaves = jax.tree.leaves(getattr(rule, "__dict__", {}))
    leaves = [leaf(count) if isinstance(leaf, CheckedSchedule) else leaf for leaf in leaves]
    traced = [~jnp.isnan(leaf).any() for leaf in leaves if isinstance(leaf, jax.core.Tracer)]
    return jnp.stack(traced).all() if traced else True


def check_choice(name: str, value, choices: Sequence[str]) -> None:
    """Raises a ValueError if a word is not one of those there are."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")


def _is_key(key) -> bool:
    return hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)


def check_key(key) -> None:
    """Raises if something is neither a typed PRNG key nor a seed."""
    if _is_key(key):
        return
    if not (isinstance(key, int) or jnp.issubdtype(getattr(key, "dtype", float), jnp.integer)):
        raise TypeError(f"key must be a seed or a key made by jax.random.key, got {key!r}.")
    if jnp.ndim(key) != 0:
        raise ValueError(
            f"key must be a seed or a key made by jax.random.key, got an array of shape "
            f"{jnp.shape(key)}; wrap a raw key with jax.random.wrap_key_data."
        )


def as_key(key) -> jax.Array:
    """A typed PRNG key, from one or from a seed."""
    return key if _is_key(key) else jax.random.key(key)


def device_list(device, num_tiles: int) -> tuple[Device, ...]:
    """The device of each tile, from one device for all or one for each; checks their ranges."""
    several = isinstance(device, Sequence) and not isinstance(device, str)
    devices = tuple(device) if several else (device,) * num_tiles
    if len(devices) != num_tiles:
        raise ValueError(f"Got {len(devices)} devices for {num_tiles} tiles: give one for each.")
    for one in devices:
        if isinstance(one, type) or not hasattr(one, "apply_pulse"):
            what = repr(one) if isinstance(one, (str, type)) else type(one).__name__
            raise TypeError(f"device must be a device of analogjax.devices, got {what}.")
        check_device(one)
    # One object where one was given: what is alike shares its compiled step.
    marked = {id(one): of_one_array(one) for one in devices}
    return tuple(marked[id(one)] for one in devices)


def pulse_scheme(name: str, pulses: PulseScheme | None) -> PulseScheme:
    """The scheme, or by default the fast one; raises if it is none or a field is not valid."""
    if pulses is None:
        return BatchedPulses()
    if not isinstance(pulses, PulseScheme):
        raise TypeError(
            f"{name} must be a scheme of analogjax.pulses such as BatchedPulses(), got {pulses!r}."
        )
    pulses.check_fields()
    return pulses


def check_warm_start(warm_start) -> None:
    """Raises a TypeError if something neither decides the stage of a warm start nor is None."""
    decides = hasattr(warm_start, "advance") and not isinstance(warm_start, type)
    if warm_start is not None and not decides:
        raise TypeError(
            f"warm_start must be None or one such as Stages(500) or Plateau(), got {warm_start!r}."
        )


def matrix_shape(name: str, leaf) -> tuple[int, int]:
    """The shape ``(in, out)`` a parameter has on an array: all leading axes are inputs."""
    shape = jnp.shape(leaf)
    if len(shape) < 2:
        raise ValueError(
            f"Parameter '{name}' has shape {shape}: an analog rule needs a matrix. Give vectors "
            f"to an ordinary optimizer, with optax.partition and analogjax.nn.labels."
        )
    if 0 in shape:
        raise ValueError(
            f"Parameter '{name}' has shape {shape}: an array needs at least one input and one "
            f"output line. Leave the layer out, or give it to an ordinary optimizer."
        )
    check_real(f"Parameter '{name}'", leaf)
    return math.prod(shape[:-1]), shape[-1]


def check_pair(name: str, pair: Factors, shape: tuple[int, ...]) -> None:
    """Raises a ValueError if factors do not fit a parameter of the given shape.

    They are x ``(..., in)`` and d ``(..., out)``, or x ``(..., groups, in)`` and
    ``(..., groups, out / groups)`` for a matrix whose columns are split into arrays.
    """
    inputs, outputs = math.prod(shape[:-1]), shape[-1]
    *lead, own = pair.d.shape or (0,)
    groups = outputs // max(own, 1)
    grouped = groups == 1 or lead[-1:] == [groups]
    if pair.x.shape == (*lead, inputs) and own * groups == outputs and grouped:
        if pair.x.size == 0 or pair.d.size == 0:
            raise ValueError(
                f"The factors of '{name}' are empty, of shapes {pair.x.shape} and {pair.d.shape}: "
                f"a mini-batch needs at least one sample."
            )
        return
    stacked = pair.x.shape[-1:] == (math.prod(shape[1:-1]),) and own == outputs and len(shape) > 2
    hint = " For layers stacked in one parameter, unroll them into one each." if stacked else ""
    raise ValueError(
        f"The factors of '{name}' have shapes {pair.x.shape} and {pair.d.shape}; its matrix needs "
        f"(..., {inputs}) and (..., {outputs}), or (..., G, {inputs}) and "
        f"(..., G, {outputs} / G) for G groups.{hint}"
    )


def is_finite(signal: Signal) -> jax.Array:
    """Whether the gradient is finite, or no product of its factors can be other than that."""
    # The pulse schemes need the largest entries of factors, too: XLA computes them once.
    if signal.factors is None:
        most = largest(signal.gradient)
    else:
        most = largest(signal.factors.x) * largest(signal.factors.d)
    return jnp.isfinite(most).all()


def check_finite(finite: dict[str, jax.Array]) -> None:
    """Raises a ValueError if it can be seen that the signal of a parameter was not finite."""
    for name, fine in finite.items():
        if is_concrete(fine) and not fine:
            raise ValueError(
                f"The gradient of '{name}' is not finite (it has NaN or infinite entries): lower "
                f"the learning rate, or wrap the rule in optax.apply_if_finite to skip such steps."
            )
