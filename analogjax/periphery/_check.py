"""Checks of converters and of what is read through them, on numbers that can be seen."""

import dataclasses
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import is_concrete, is_zero
from analogjax.periphery._analog_io import (
    SPREADS,
    AnalogIO,
    BoundManagement,
    MVType,
    NoiseManagement,
    WeightNoise,
)

_WORDS = {
    "mv_type": MVType,
    "noise_management": NoiseManagement,
    "bound_management": BoundManagement,
    "w_noise_type": WeightNoise,
}
_POSITIVE = ("inp_bound", "out_bound", "ir_drop_g_ratio", "max_bm_res", "max_bm_factor")
_ANY_SIGN = ("out_scale", "v_offset_w_min")
# Beyond 1 a sign would flip: that of what is negative, or of a read voltage.
_RELATIVE = ("inp_asymmetry", "out_asymmetry", "w_read_asymmetry", "v_offset")
_DRAWN = ("w_read_asymmetry", "v_offset")  # By ``sample``, from normal laws, which have tails.
_UNBOUNDED = ("inp_bound", "out_bound")


def check_io(io: AnalogIO) -> None:
    """Raises an error if a word is unknown or a number that can be seen is out of its range.

    Numbers that JAX is tracing pass unseen.

    Raises:
      TypeError: if it is not an :class:`~analogjax.periphery.AnalogIO`, or a field is no number.
      ValueError: naming the field, its value and the remedy.

    Example:
      >>> from analogjax.periphery import AnalogIO, check_io
      >>> check_io(AnalogIO(out_noise=-0.1))
      Traceback (most recent call last):
          ...
      ValueError: AnalogIO.out_noise must be a finite number of at least 0, got -0.1.
    """
    check_named("io", io)


def check_named(argument: str, io: AnalogIO) -> None:
    """As :func:`check_io`, of an argument of another name."""
    if not isinstance(io, AnalogIO):
        raise TypeError(f"{argument} must be an AnalogIO, got {type(io).__name__}.")
    for name, words in _WORDS.items():
        if getattr(io, name) not in get_args(words):
            raise ValueError(
                f"AnalogIO.{name} must be one of {', '.join(get_args(words))}, got "
                f"{getattr(io, name)!r}."
            )
    for field in dataclasses.fields(io):
        value = getattr(io, field.name)
        if field.name in _WORDS or isinstance(value, bool | jax.core.Tracer):
            continue
        if not is_concrete(value):
            wanted = "True or False" if isinstance(field.default, bool) else "a number or an array"
            raise TypeError(f"AnalogIO.{field.name} must be {wanted}, got {value!r}.")
        _check_number(field.name, np.asarray(value))
    for side in ("inp", "out"):
        _check_range(side, getattr(io, f"{side}_bound"), getattr(io, f"{side}_res"))
    scaled = io.noise_management != "none"
    if scaled and is_concrete(io.inp_bound) and np.any(np.asarray(io.inp_bound) != 1):
        raise ValueError(
            f"AnalogIO.inp_bound must be 1 with noise management, which scales the inputs to it, "
            f"got {io.inp_bound}; or set noise_management to 'none'."
        )
    if io.w_noise_type == "none" and is_concrete(io.w_noise) and not is_zero(io.w_noise):
        raise ValueError(
            f"AnalogIO.w_noise is {io.w_noise}, but w_noise_type is 'none': say which noise, "
            f"additive_constant or pcm_read."
        )
    for name in ("w_read_asymmetry", "w_read_asymmetry_dtod"):
        value = getattr(io, name)
        if io.mv_type == "one_pass" and is_concrete(value) and not is_zero(value):
            raise ValueError(
                f"AnalogIO.{name} is {value}, but mv_type is 'one_pass': give negative inputs a "
                f"pass of their own, pos_neg_separate or pos_neg_separate_digital_sum."
            )


def _check_number(name: str, value: np.ndarray) -> None:
    if name in ("inp_res", "out_res"):
        possible = np.isfinite(value) & ((value <= 0.5) | (value >= 2))
        rule = "must be a step of at most half the range, a number of steps from 2 on, or -1"
    elif name in _POSITIVE:
        possible, rule = value > 0, "must be positive"
    elif name in _RELATIVE:
        drawn = name in _DRAWN and value.ndim > 0
        possible = np.isfinite(value) if drawn else np.abs(value) <= 1
        rule = "must be a finite number" if drawn else "must lie between -1 and 1"
    elif name in _ANY_SIGN:
        possible, rule = np.isfinite(value), "must be a finite number"
    else:
        possible, rule = (value >= 0) & np.isfinite(value), "must be a finite number of at least 0"
    if name in _POSITIVE and name not in _UNBOUNDED:
        possible = possible & np.isfinite(value)
    if not np.all(possible):
        hint = ", or infinite for no bound" if name in _UNBOUNDED else ""
        raise ValueError(f"AnalogIO.{name} {rule}{hint}, got {value}.")


def _check_range(side: str, bound, res) -> None:
    """Raises a ValueError if a converter has steps but no bound that they are a fraction of."""
    if not (is_concrete(bound) and is_concrete(res)):
        return
    if np.any(np.isinf(bound) & (np.asarray(res) > 0)):
        raise ValueError(
            f"AnalogIO.{side}_res is a fraction of {side}_bound, which is infinite: set "
            f"{side}_res to -1 for no rounding, got {res}."
        )


def check_sampled(io: AnalogIO) -> None:
    """Raises a ValueError if what differs from line to line has not been drawn."""
    for name in SPREADS:
        if is_concrete(getattr(io, name)) and not is_zero(getattr(io, name)):
            raise ValueError(
                f"AnalogIO.{name} is {getattr(io, name)}, a spread over the lines of an array: "
                f"draw them once, with io.sample(key, w.shape), and read with what it gives."
            )


def check_product(x: jax.Array, w: jax.Array) -> None:
    """Raises an error if ``x`` and ``w`` are no vectors and no matrix that fit."""
    if jnp.ndim(w) != 2 or jnp.ndim(x) < 1 or jnp.shape(x)[-1] != jnp.shape(w)[0]:
        raise ValueError(
            f"mvm needs inputs (..., in) and weights (in, out), got {jnp.shape(x)} and "
            f"{jnp.shape(w)}."
        )
    for name, value in (("x", x), ("w", w)):
        if not jnp.issubdtype(jnp.result_type(value), jnp.floating):
            raise TypeError(
                f"{name} must be an array of floating-point numbers, got {jnp.result_type(value)}."
            )


def check_scale(io: AnalogIO, x: jax.Array, input_scale) -> None:
    """Raises a ValueError if a scale is missing, not used, or of a wrong shape."""
    wanted = io.noise_management == "average_abs_max" and not io.is_perfect
    if wanted and input_scale is None:
        raise ValueError(
            "noise_management 'average_abs_max' divides by a running mean that the caller keeps: "
            "give input_scale, from periphery.running_abs_max(mean, x)."
        )
    if input_scale is None:
        return
    if not wanted:
        raise ValueError(
            "input_scale is for noise_management 'average_abs_max'; with "
            f"'{io.noise_management}' the scale follows from the inputs, so leave it out."
        )
    if jnp.shape(input_scale) not in ((), jnp.shape(x)[:-1]):
        raise ValueError(
            f"input_scale must be one number or one for each vector, {jnp.shape(x)[:-1]}, got "
            f"shape {jnp.shape(input_scale)}."
        )


def check_backward(backward: AnalogIO | None) -> None:
    """Raises a ValueError if the backward product would need a scale of its own from outside."""
    if backward is not None and backward.noise_management == "average_abs_max":
        raise ValueError(
            "The backward product has no running mean of the sizes of its errors: set "
            "noise_management of backward to 'abs_max', got 'average_abs_max'."
        )


def check_silent(*ios: AnalogIO | None) -> None:
    """Raises a ValueError if a read without a key would draw random numbers."""
    for io in ios:
        if io is not None and io.is_random:
            names = ("inp_noise", "out_noise", "w_noise", "inp_sto_round", "out_sto_round")
            drawing = ", ".join(name for name in names if not is_zero(getattr(io, name)))
            raise ValueError(
                f"A read with noise or random rounding needs a PRNG key as its first argument, got "
                f"None with {drawing} switched on."
            )
