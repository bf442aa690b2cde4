"""The currents of an array's output lines."""

import jax

from analogjax.devices import is_zero
from analogjax.periphery._analog_io import AnalogIO
from analogjax.periphery._draws import Use, normals
from analogjax.periphery._ir_drop import ir_drop
from analogjax.periphery._voltage_offset import voltage_offset
from analogjax.periphery._weight_noise import weight_noise_std


def line_currents(key: jax.Array, x: jax.Array, w: jax.Array, io: AnalogIO) -> jax.Array:
    """The product ``x @ w``, with IR drop, voltage offsets and weight noise, in this order."""
    z = x @ w
    if not is_zero(io.ir_drop):
        z = z - io.ir_drop * ir_drop(x, w, io.ir_drop_g_ratio)
    if not (is_zero(io.v_offset) and is_zero(io.r_series)):
        z = voltage_offset(z, x, io.v_offset, io.v_offset_w_min, io.r_series)
    if io.w_noise_type != "none" and not is_zero(io.w_noise):
        std = io.w_noise * weight_noise_std(x, w, io.w_noise_type)
        z = z + std * normals(key, Use.WEIGHT_NOISE, z.shape)
    return z
