"""What comes back from the lines of an array: the analog-to-digital converter."""

import jax
import jax.numpy as jnp

from analogjax.devices import is_zero
from analogjax.periphery._analog_io import AnalogIO
from analogjax.periphery._asymmetry import asymmetric
from analogjax.periphery._draws import Use, normals
from analogjax.periphery._nonlinearity import bend
from analogjax.periphery._rounding import quantise


def convert_output(key: jax.Array, z: jax.Array, io: AnalogIO) -> tuple[jax.Array, jax.Array]:
    r"""Bent, noisy, rounded, clipped outputs, and which vectors were clipped.

    .. math:: z \leftarrow \mathrm{clip}(Q(bend(z) + out\_noise\,\xi), \pm out\_bound)

    Returns:
      The outputs, ``(..., out)``, and whether any of a vector was out of bounds, ``(..., 1)``.
    """
    if not (is_zero(io.out_nonlinearity) and is_zero(io.r_series)):
        z = bend(z, io.out_nonlinearity, io.r_series, io.slope_calibration, io.out_bound)
    z = asymmetric(z, io.out_asymmetry)
    if not is_zero(io.out_noise):
        z = z + io.out_noise * normals(key, Use.OUTPUT_NOISE, z.shape)
    z = quantise(key, Use.OUTPUT_ROUNDING, z, io.out_bound, io.out_res, io.out_sto_round)
    clipped = jnp.any(jnp.abs(z) > io.out_bound, axis=-1, keepdims=True)
    return jnp.clip(z, -io.out_bound, io.out_bound), clipped
