"""What reaches the lines of an array: the digital-to-analog converter."""

import jax
import jax.numpy as jnp

from analogjax.devices import is_zero
from analogjax.periphery._analog_io import AnalogIO
from analogjax.periphery._asymmetry import asymmetric
from analogjax.periphery._draws import Use, normals
from analogjax.periphery._rounding import quantise


def convert_input(key: jax.Array, x: jax.Array, io: AnalogIO) -> jax.Array:
    r"""Rounded, clipped, noisy inputs, with the negative ones scaled.

    .. math::
      x \leftarrow \mathrm{clip}(Q(x), \pm inp\_bound) + inp\_noise\,\xi, \qquad
      x \leftarrow (1 - inp\_asymmetry) x \;\mathrm{where}\; x < 0
    """
    x = quantise(key, Use.INPUT_ROUNDING, x, io.inp_bound, io.inp_res, io.inp_sto_round)
    x = jnp.clip(x, -io.inp_bound, io.inp_bound)
    if not is_zero(io.inp_noise):
        x = x + io.inp_noise * normals(key, Use.INPUT_NOISE, x.shape)
    return asymmetric(x, io.inp_asymmetry)
