"""A device whose steps are interpolated between given nodes."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp

from analogjax.devices._cells import Cells, ratio
from analogjax.devices._check import check_finite_bounds
from analogjax.devices._pulsed import PulsedDevice, Real

Nodes = Sequence[float] | jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class PiecewiseStep(PulsedDevice):
    r"""Steps given on nodes that are equally spaced from bound to bound, linear in between.

    .. math::
      \Delta_\uparrow = u\, \mathrm{interp}(w; piecewise\_up), \qquad
      \Delta_\downarrow = v\, \mathrm{interp}(w; piecewise\_down)

    each times :math:`1 + dw_{min,std}\xi`; the first node lies at :math:`b^-`, the last at
    :math:`b^+`. The granularity is ``dw_min`` times the up step in the middle. The other fields are
    those of :class:`~analogjax.devices.PulsedDevice`.

    Attributes:
      piecewise_up: relative up steps at the nodes, an array or a sequence of at least one.
      piecewise_down: relative down steps at the nodes, as many.

    Raises:
      ValueError: by ``sample``, if a field is out of its range, a bound infinite, or the numbers
        of nodes differ.

    Reference: interpolation of a measured response, as in Rasch et al., "A flexible and fast
    PyTorch toolkit for simulating training and inference on analog crossbar arrays", AICAS (2021).

    Example:
      >>> import jax
      >>> from analogjax.devices import PiecewiseStep
      >>> device = PiecewiseStep(
      ...     dw_min=0.1, w_max=1.0, w_min=-1.0, piecewise_up=(2.0, 1.0, 0.0),
      ...     piecewise_down=(0.0, 1.0, 2.0),
      ... ).without_variation()
      >>> cells = device.sample(jax.random.key(0), (1, 1))
      >>> q_up, q_down = device.response(cells, jax.numpy.full((1, 1), 0.5))
      >>> q_up.item(), q_down.item()
      (0.5, 1.5)
    """

    redundant: ClassVar[tuple[str, ...]] = ("dw_min", "up_down")

    piecewise_up: Nodes = (1.0,)
    piecewise_down: Nodes = (1.0,)

    @property
    def granularity(self) -> Real:
        """The weight step the pulse generator reckons with: the up step between the bounds."""
        up = self.piecewise_up
        return self.dw_min * (up[(len(up) - 1) // 2] + up[len(up) // 2]) / 2

    def check_fields(self) -> None:
        """Raises a ValueError if a bound is infinite or the numbers of nodes differ."""
        up, down = (jnp.asarray(nodes).shape for nodes in (self.piecewise_up, self.piecewise_down))
        if len(up) != 1 or up != down or up == (0,):
            raise ValueError(
                f"PiecewiseStep.piecewise_up and piecewise_down must be as many nodes, at least "
                f"one, got shapes {up} and {down}."
            )
        super().check_fields()
        check_finite_bounds(self)

    def steps(self, cells: Cells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and the next down pulse."""
        place = ratio(w - cells.w_min, cells.w_max - cells.w_min)
        return (
            cells.step_up * _interpolate(self.piecewise_up, place),
            cells.step_down * _interpolate(self.piecewise_down, place),
        )


def _interpolate(nodes: Nodes, place):
    """The value at ``place`` in [0, 1] of lines between equally spaced nodes."""
    nodes = jnp.asarray(nodes)
    last = nodes.shape[0] - 1
    place = last * place
    before = jnp.clip(jnp.floor(place), 0, max(last - 1, 0))
    left = before.astype(jnp.int32)
    right = jnp.minimum(left + 1, last)
    return nodes[left] + (place - before) * (nodes[right] - nodes[left])
