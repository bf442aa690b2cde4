"""What devices have in common whose steps are linear in the weight."""

import abc
import dataclasses

import jax
import jax.numpy as jnp

from analogjax.devices._cells import AnyCells, ratio
from analogjax.devices._mult_noise import MultNoiseDevice


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearResponse(MultNoiseDevice):
    """A device whose steps u and v lose a fraction that is linear in the weight."""

    @abc.abstractmethod
    def losses(self, cells: AnyCells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The fractions of u and of v that are missing at ``w``, linear in ``w``."""

    def steps(self, cells: AnyCells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse, linear in w."""
        loss_up, loss_down = self.losses(cells, w)
        return cells.step_up * (1.0 - loss_up), cells.step_down * (1.0 - loss_down)

    def symmetric_point(self, cells: AnyCells) -> jax.Array:
        r"""The weight where up and down steps are equal, in closed form.

        For soft bounds it is :math:`(u - v) / (u/b^+ - v/b^-)`. Where the lines do not meet
        between the bounds it is the bound that the larger step leads to; where they coincide, it
        is zero.
        """
        up, down = self.steps(cells, jnp.zeros(()))
        up_at_one, down_at_one = self.steps(cells, jnp.ones(()))
        excess, slope = up - down, (down_at_one - down) - (up_at_one - up)
        parallel = jnp.where(excess == 0, 0.0, jnp.copysign(jnp.inf, excess))
        point = jnp.where(slope == 0, parallel, ratio(excess, slope))
        # Steps that grow towards a bound lead away from where their lines meet beyond it.
        outside = (point < cells.w_min) | (point > cells.w_max)
        point = jnp.where((slope < 0) & outside, parallel, point)
        return jnp.clip(point, cells.w_min, cells.w_max)
