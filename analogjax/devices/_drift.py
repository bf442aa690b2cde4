"""Conductance drift of phase-change memory."""

import dataclasses

import jax
import jax.numpy as jnp

from analogjax.devices._cells import spread
from analogjax.devices._check import check_at_least_0, check_device
from analogjax.devices._device import Real
from analogjax.devices._draws import draw_normal


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class PowerLawDrift:
    r"""Conductances that fade with the time since they were written.

    .. math:: w(t) = w_0\, \max(t / t_0, 1)^{-\nu}, \qquad \nu = nu (1 + nu_{dtod}\, \xi)

    Training does not drift by itself: apply this to the weights that a waiting time is to be
    simulated for.

    Attributes:
      nu: mean drift exponent.
      nu_dtod: relative spread of the exponent across crosspoints.
      nu_std: relative spread of the exponent from one call to the next.
      t0: time after writing at which the weight was measured, in the unit of the times given.

    Raises:
      ValueError: by ``sample``, if a field is out of its range.

    Reference: Nandakumar et al., "Phase-change memory models for deep learning training and
    inference", ICECS (2019).

    Example:
      >>> import jax
      >>> from analogjax.devices import PowerLawDrift
      >>> drift = PowerLawDrift(nu=0.5, nu_dtod=0.0)
      >>> exponents = drift.sample(jax.random.key(0), (1, 1))
      >>> drift.apply(jax.random.key(1), exponents, jax.numpy.full((1, 1), 0.8), 100.0).item()
      0.08...
    """

    nu: Real = 0.1
    nu_dtod: Real = 0.2
    nu_std: Real = 0.0
    t0: Real = 1.0

    def check_fields(self) -> None:
        """Nothing but the ranges of the fields needs a check."""

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """The exponent of each crosspoint, of the given shape, drawn once."""
        check_device(self)
        return self.nu * (
            1.0 + jnp.broadcast_to(spread(draw_normal(key, shape), self.nu_dtod), shape)
        )

    def apply(self, key: jax.Array, exponents: jax.Array, w: jax.Array, elapsed) -> jax.Array:
        """The weights ``elapsed`` after they were written as ``w``.

        Args:
          key: a PRNG key, for the spread of this call.
          exponents: from :meth:`sample`.
          w: weights as written, of the same shape.
          elapsed: time since then, in the unit of ``t0``; a number or an array of that shape.

        Raises:
          ValueError: if a time that can be seen is negative or not finite.
        """
        check_at_least_0("elapsed", elapsed)
        xi = draw_normal(key, jnp.shape(w))
        nu = exponents + self.nu * spread(xi, self.nu_std)
        return w * jnp.maximum(elapsed / self.t0, 1.0) ** -nu
