"""One read, through the array once, or once for each sign of the inputs."""

import jax
import jax.numpy as jnp

from analogjax.devices import is_zero
from analogjax.periphery._analog_io import AnalogIO
from analogjax.periphery._draws import Use
from analogjax.periphery._input import convert_input
from analogjax.periphery._lines import line_currents
from analogjax.periphery._output import convert_output


def one_read(
    key: jax.Array, x: jax.Array, w: jax.Array, io: AnalogIO
) -> tuple[jax.Array, jax.Array]:
    """From scaled inputs to outputs in the same units, and which vectors were clipped.

    With ``"pos_neg_separate"`` the currents of both signs are summed before the converter, with
    ``"pos_neg_separate_digital_sum"`` each goes through it and the results are summed.
    """
    x = convert_input(key, x, io)
    if io.mv_type == "one_pass":
        return convert_output(key, line_currents(key, x, w, io), io)
    key_negative = jax.random.fold_in(key, Use.NEGATIVE_PASS)
    w_negative = w if is_zero(io.w_read_asymmetry) else (1 - io.w_read_asymmetry) * w
    negative = line_currents(key_negative, jnp.minimum(x, 0), w_negative, io)
    positive = line_currents(key, jnp.maximum(x, 0), w, io)
    if io.mv_type == "pos_neg_separate":
        return convert_output(key, positive + negative, io)
    positive, above = convert_output(key, positive, io)
    negative, below = convert_output(key_negative, negative, io)
    return positive + negative, above | below
