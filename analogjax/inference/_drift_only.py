"""Arrays that hold exactly what they were programmed to, but fade."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from analogjax.devices import PowerLawDrift, check_positive
from analogjax.inference._check import check_array, check_time


class FadingWeights(NamedTuple):
    """An array of weights that fade.

    Attributes:
      w: the weights as programmed.
      nu: their drift exponents, of the same shape.
    """

    w: jax.Array
    nu: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class DriftOnly:
    r"""The power law of :class:`~analogjax.devices.PowerLawDrift` as a model of inference noise.

    .. math:: w(t) = w \left(\frac{t + t_0}{t_0}\right)^{-\nu}

    with t and t0 in seconds, t since the end of programming; weights beyond ``w_max`` are clipped.

    Attributes:
      drift: the exponents and t0.

    Raises:
      ValueError: by ``program``, if a field of the drift or ``w_max`` is out of its range; by
        ``read``, if a time is negative or not finite.
      TypeError: by ``read``, if another model has programmed the array.

    Example:
      >>> import jax
      >>> from analogjax.devices import PowerLawDrift
      >>> from analogjax.inference import DriftOnly
      >>> noise = DriftOnly(drift=PowerLawDrift(nu=0.5, nu_dtod=0.0))
      >>> array = noise.program(jax.random.key(0), jax.numpy.full(1, 0.8))
      >>> round(noise.read(jax.random.key(1), array, 99.0).item(), 4)
      0.08
    """

    drift: PowerLawDrift

    def program(self, key: jax.Array, w: jax.Array, w_max=None) -> FadingWeights:
        """An array programmed to ``w``; see :class:`~analogjax.inference.NoiseModel`."""
        if w_max is not None:
            check_positive("w_max", w_max)
            w = jnp.clip(w, -w_max, w_max)
        return FadingWeights(w, self.drift.sample(key, w.shape))

    def read(self, key: jax.Array, array: FadingWeights, t) -> jax.Array:
        """The weights at ``t``; see :class:`~analogjax.inference.NoiseModel`."""
        check_array(self, array, FadingWeights)
        check_time(t)
        return self.drift.apply(key, array.nu, array.w, t + self.drift.t0)
