"""A device whose step does not depend on its weight."""

import dataclasses

import jax
import jax.numpy as jnp

from analogjax.devices._cells import Cells
from analogjax.devices._pulsed import PulsedDevice


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class ConstantStep(PulsedDevice):
    r"""Every pulse adds u or subtracts v, whatever the weight, until a bound is hit.

    .. math:: w \leftarrow \mathrm{clip}(w + u(1 + dw_{min,std}\xi),\ b^-, b^+)

    and with :math:`-v` for a down pulse. The fields are those of :class:`PulsedDevice`.

    Reference: Gokmen and Vlasov, "Acceleration of deep neural network training with resistive
    cross-point devices", Front. Neurosci. 10:333 (2016), section 2.

    Example:
      >>> import jax
      >>> from analogjax.devices import ConstantStep
      >>> device = ConstantStep(dw_min=0.25).without_variation()
      >>> cells = device.sample(jax.random.key(0), (1, 2))
      >>> w = jax.numpy.zeros((1, 2))
      >>> device.apply_pulse(None, cells, w, jax.numpy.array([[1, -1]])).tolist()
      [[0.25, -0.25]]
    """

    def steps(self, cells: Cells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse: u and v."""
        shape = jnp.shape(w)
        return jnp.broadcast_to(cells.step_up, shape), jnp.broadcast_to(cells.step_down, shape)
