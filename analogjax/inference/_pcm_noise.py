"""The statistical model of phase-change memory at inference."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import check_at_least_0, check_positive, draw_normal, is_concrete, ratio
from analogjax.inference._check import check_array, check_numbers, check_time

Real = float | jax.Array
# Relative conductances below this count as this, so that they have a logarithm.
_LEAST = 1e-7
# A device of less is none in microsiemens, but one in siemens.
_LEAST_G_MAX = 1e-2
# What a standard deviation that is 0 may be off by, in uS.
_ROUNDING = 1e-6


class ConductancePairs(NamedTuple):
    """An array whose weights are differences of two conductances.

    Attributes:
      g: conductances after programming, in uS, ``(2, *shape)``: of positive and negative weights.
      nu: their drift exponents, ``(2, *shape)``.
      scale: weight of one uS.
    """

    g: jax.Array
    nu: jax.Array
    scale: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class PCMNoise:
    r"""Programming error, drift and read noise as measured on a million phase-change devices.

    A weight is the difference of two conductances, one of which is asked to be zero:
    :math:`g_T = g_{max} |w| / w_{max}`. With :math:`r = g / g_{max}`, t in seconds since the end
    of programming and :math:`\xi` a normal number for each device,

    .. math::
      g &= \max(g_T + \sigma_P(r_T)\, \xi, 0), \qquad
      \sigma_P(r) = 0.26348 + 1.9650\, r - 1.1731\, r^2 \;\mu S \\
      \nu &= |\mu_\nu(r_T) + \sigma_\nu(r_T)\, \xi| \\
      \mu_\nu(r) &= clip(0.0244 - 0.0155 \ln r,\; 0.049,\; 0.1), \qquad
      \sigma_\nu(r) = clip(-0.0059 - 0.0125 \ln r,\; 0.008,\; 0.045) \\
      g(t) &= g \left(\frac{t + t_0}{t_0}\right)^{-\nu} \\
      g_{read}(t) &= \max\left(g(t) (1 + \sigma_R(r, t)\, \xi), 0\right), \qquad
      \sigma_R(r, t) = \min\left(\frac{0.0088}{r^{0.65}}, 0.2\right)
        \sqrt{\ln\frac{t + t_0 + t_{read}}{2 t_{read}}}

    the errors of programming and the exponents drawn once, the noise of the 1/f fluctuations at
    each read. The fits hold for ``g_max`` of 25 uS and times from tens of seconds to months.

    Attributes:
      g_max: conductance of the largest weight, in uS.
      prog_coeff: coefficients of :math:`\sigma_P` in :math:`1, r, r^2, ...`, in uS.
      nu_coeff: coefficients of :math:`\mu_\nu` in 1 and ln r.
      nu_range: least and largest mean exponent.
      nu_std_coeff: coefficients of :math:`\sigma_\nu` in 1 and ln r.
      nu_std_range: its least and largest value.
      read_coeff: 0.0088 and 0.65 of :math:`\sigma_R`.
      read_max: 0.2 of it.
      t0: time between programming and the first read, from which drift counts, in seconds.
      t_read: length of a read, in seconds.
      prog_noise_scale: factor on the programming error; 0 for none.
      drift_scale: factor on the drift exponents; 0 for none.
      read_noise_scale: factor on the read noise; 0 for none.

    Raises:
      ValueError: by ``program``, if a field or ``w_max`` is out of its range; by ``read``, if a
        time is negative or not finite.
      TypeError: by ``read``, if another model has programmed the array.

    Reference: Nandakumar et al., "Phase-change memory models for deep learning training and
    inference", ICECS (2019); Joshi et al., "Accurate deep neural network inference using
    computational phase-change memory", Nat. Commun. 11:2473 (2020); names, numbers and the read
    noise's dependence on the programmed rather than the wanted conductance as in aihwkit.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.inference import PCMNoise
      >>> noise, w = PCMNoise(prog_noise_scale=0.0, read_noise_scale=0.0), jnp.array([0.5, -1.0])
      >>> array = noise.program(jax.random.key(0), w)
      >>> [round(g, 2) for g in (array.g[0] - array.g[1]).tolist()]
      [12.5, -25.0]
      >>> faded = noise.read(jax.random.key(1), array, 86400.0)
      >>> bool((jnp.abs(faded) < 0.9 * jnp.abs(w)).all())
      True
    """

    g_max: Real = 25.0
    prog_coeff: tuple[Real, ...] = (0.26348, 1.9650, -1.1731)
    nu_coeff: tuple[Real, Real] = (0.0244, -0.0155)
    nu_range: tuple[Real, Real] = (0.049, 0.1)
    nu_std_coeff: tuple[Real, Real] = (-0.0059, -0.0125)
    nu_std_range: tuple[Real, Real] = (0.008, 0.045)
    read_coeff: tuple[Real, Real] = (0.0088, 0.65)
    read_max: Real = 0.2
    t0: Real = 20.0
    t_read: Real = 250e-9
    prog_noise_scale: Real = 1.0
    drift_scale: Real = 1.0
    read_noise_scale: Real = 1.0

    def program_std(self, g: jax.Array) -> jax.Array:
        """Standard deviation of the programming error of conductances ``g``, both in uS."""
        return _polynomial(self.prog_coeff, g / self.g_max)

    def drift_mean(self, g: jax.Array) -> jax.Array:
        """Mean drift exponent of conductances asked to be ``g``, in uS."""
        return jnp.clip(self._line(self.nu_coeff, g), *self.nu_range)

    def drift_std(self, g: jax.Array) -> jax.Array:
        """Standard deviation of the drift exponent of conductances asked to be ``g``, in uS."""
        return jnp.clip(self._line(self.nu_std_coeff, g), *self.nu_std_range)

    def read_std(self, g: jax.Array, t) -> jax.Array:
        """Relative standard deviation of a read at ``t`` of what was programmed to ``g``, in uS."""
        factor, power = self.read_coeff
        q = jnp.minimum(factor * self._relative(g) ** -power, self.read_max)
        # A difference of logarithms, so that no finite time overflows.
        log_reads = jnp.log(t + self.t0 + self.t_read) - jnp.log(2 * self.t_read)
        return q * jnp.sqrt(log_reads)

    def program(self, key: jax.Array, w: jax.Array, w_max=None) -> ConductancePairs:
        """An array programmed to ``w``; see :class:`~analogjax.inference.NoiseModel`."""
        check_pcm_noise(self)
        if w_max is not None:
            check_positive("w_max", w_max)
        limit = jnp.abs(w).max() if w_max is None else w_max
        target = self.g_max * jnp.clip(ratio(w, limit), -1.0, 1.0)
        wanted = jnp.maximum(jnp.stack([target, -target]), 0.0)
        error, spread = (draw_normal(jax.random.fold_in(key, n), wanted.shape) for n in range(2))
        g = wanted + self.prog_noise_scale * self.program_std(wanted) * error
        nu = jnp.abs(self.drift_mean(wanted) + self.drift_std(wanted) * spread)
        scale = jnp.asarray(limit / self.g_max, jnp.float32)
        return ConductancePairs(jnp.maximum(g, 0.0), self.drift_scale * nu, scale)

    def read(self, key: jax.Array, array: ConductancePairs, t) -> jax.Array:
        """The weights at ``t``; see :class:`~analogjax.inference.NoiseModel`."""
        check_array(self, array, ConductancePairs)
        check_time(t)
        faded = array.g * ((t + self.t0) / self.t0) ** -array.nu
        xi = draw_normal(key, faded.shape)
        noise = self.read_noise_scale * self.read_std(array.g, t) * xi
        plus, minus = jnp.maximum(faded * (1 + noise), 0.0)
        return array.scale * (plus - minus)

    def _relative(self, g: jax.Array) -> jax.Array:
        return jnp.maximum(g / self.g_max, _LEAST)

    def _line(self, coeff: tuple[Real, Real], g: jax.Array) -> jax.Array:
        return coeff[0] + coeff[1] * jnp.log(self._relative(g))


def _polynomial(coeff: tuple[Real, ...], r) -> jax.Array:
    return sum(c * r**power for power, c in enumerate(coeff))


def check_pcm_noise(noise: PCMNoise) -> None:
    """Raises a ValueError naming the first field that is out of its range.

    Numbers that JAX is tracing pass unseen.
    """
    for name in ("g_max", "t0", "t_read"):
        check_positive(f"PCMNoise.{name}", getattr(noise, name))
    for name in ("read_max", "prog_noise_scale", "drift_scale", "read_noise_scale"):
        check_at_least_0(f"PCMNoise.{name}", getattr(noise, name))
    check_numbers("PCMNoise.prog_coeff", noise.prog_coeff)
    for name in ("nu_coeff", "nu_range", "nu_std_coeff", "nu_std_range", "read_coeff"):
        check_numbers(f"PCMNoise.{name}", getattr(noise, name), 2)
    for name in ("nu_range", "nu_std_range"):
        low, high = getattr(noise, name)
        if is_concrete(low) and is_concrete(high) and not 0 <= low <= high:
            raise ValueError(
                f"PCMNoise.{name} must be a least and a largest value of at least 0, got "
                f"{(low, high)}."
            )
    if is_concrete(noise.g_max) and np.any(np.asarray(noise.g_max) < _LEAST_G_MAX):
        raise ValueError(
            f"PCMNoise.g_max is in microsiemens, at least {_LEAST_G_MAX}, got {noise.g_max}: "
            f"multiply siemens by 1e6."
        )
    if is_concrete(noise.read_coeff[0]) and np.any(np.asarray(noise.read_coeff[0]) < 0):
        raise ValueError(
            f"PCMNoise.read_coeff must begin with a factor of at least 0, got {noise.read_coeff}."
        )
    if all(map(is_concrete, noise.prog_coeff)):
        for r in np.linspace(0.0, 1.0, 11):
            std = _polynomial(noise.prog_coeff, r)
            if np.any(np.asarray(std) < -_ROUNDING):
                raise ValueError(
                    f"PCMNoise.prog_coeff must make a standard deviation of at least 0, got "
                    f"{noise.prog_coeff}, which make {std:.3g} at r = {r:.1f}."
                )
    if is_concrete(noise.t0) and is_concrete(noise.t_read) and noise.t0 <= noise.t_read:
        raise ValueError(
            f"PCMNoise.t0 must be longer than a read, t_read = {noise.t_read} s, got {noise.t0} s."
        )
