"""A device whose steps change linearly with its weight."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices._cells import Cells, is_concrete, ratio, spread
from analogjax.devices._draws import draw_normal
from analogjax.devices._linear_response import LinearResponse
from analogjax.devices._pulsed import Real


class LinearCells(NamedTuple):
    """:class:`~analogjax.devices.Cells` with the slopes of each crosspoint.

    Attributes:
      step_up: as in ``Cells``.
      step_down: as in ``Cells``.
      w_max: as in ``Cells``.
      w_min: as in ``Cells``.
      gamma_up: relative loss of the up step at the upper reference bound.
      gamma_down: relative loss of the down step at the lower reference bound.
    """

    step_up: jax.Array
    step_down: jax.Array
    w_max: jax.Array
    w_min: jax.Array
    gamma_up: jax.Array
    gamma_down: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearStep(LinearResponse):
    r"""Steps change linearly with the weight, by a given fraction up to the bounds.

    .. math::
      \Delta_\uparrow = u (1 - \gamma_\uparrow w / b^+), \qquad
      \Delta_\downarrow = v (1 - \gamma_\downarrow w / b^-)

    or, if reversed, growing towards the bound they lead to, :math:`u (1 - \gamma_\uparrow w / (b^-
    - o))` and :math:`v (1 - \gamma_\downarrow w / (b^+ + o))` with ``reverse_offset`` o;

    each times :math:`1 + dw_{min,std}\xi` (``mult_noise``), or with :math:`u`, :math:`v` alone made
    noisy, with :math:`\gamma_\uparrow = |gamma\_up + gamma\_up_{dtod}\xi|` and likewise down.
    :class:`~analogjax.devices.SoftBounds` is the case :math:`\gamma = 1` of the device's own
    bounds. The other fields are those of :class:`~analogjax.devices.PulsedDevice`.

    Attributes:
      gamma_up: mean fraction of the up step at w = 0 that is lost at the upper bound; above 1 the
        step turns round before it.
      gamma_down: mean fraction of the down step at w = 0 that is lost at the lower bound.
      gamma_up_dtod: spread of ``gamma_up`` across crosspoints, absolute.
      gamma_down_dtod: spread of ``gamma_down`` across crosspoints, absolute.
      mean_bound_reference: take ``w_max`` and ``w_min`` for the bounds in the slopes, rather than
        each crosspoint's own bounds.
      allow_increasing: leave negative :math:`\gamma` as they are: such steps grow.
      reverse_up: let up steps grow with the weight instead.
      reverse_down: let down steps grow as the weight falls instead.
      reverse_offset: distance from the opposite bound at which reversed steps of :math:`\gamma = 1`
        vanish, so that none is zero within the bounds.

    Raises:
      ValueError: by ``sample``, if a field is out of its range.

    Reference: Rasch, Gokmen, Haensch, "Training large-scale artificial neural networks on simulated
    resistive crossbar arrays", IEEE Design & Test 37 (2020), arXiv:1906.02698.

    Example:
      >>> import jax
      >>> from analogjax.devices import LinearStep
      >>> device = LinearStep(dw_min=0.5, w_max=1.0, gamma_up=0.5).without_variation()
      >>> cells = device.sample(jax.random.key(0), (1, 1))
      >>> w = jax.numpy.zeros((1, 1))
      >>> for _ in range(2):
      ...     w = device.apply_pulse(None, cells, w, 1)
      ...     print(w.item())
      0.5
      0.875
    """

    gamma_up: Real = 0.0
    gamma_down: Real = 0.0
    gamma_up_dtod: Real = 0.05
    gamma_down_dtod: Real = 0.05
    mean_bound_reference: bool = dataclasses.field(default=True, metadata={"static": True})
    allow_increasing: bool = dataclasses.field(default=False, metadata={"static": True})
    reverse_up: bool = dataclasses.field(default=False, metadata={"static": True})
    reverse_down: bool = dataclasses.field(default=False, metadata={"static": True})
    reverse_offset: Real = 0.01

    def check_fields(self) -> None:
        """Raises a ValueError if a slope has the sign that ``allow_increasing`` is for."""
        super().check_fields()
        for name in ("gamma_up", "gamma_down"):
            value = getattr(self, name)
            if is_concrete(value) and not self.allow_increasing and np.any(np.asarray(value) < 0):
                raise ValueError(
                    f"LinearStep.{name} must be at least 0 unless allow_increasing, got {value}."
                )

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> LinearCells:
        """Draws the constants of ``shape`` crosspoints; the slopes, too."""
        xi = draw_normal(jax.random.fold_in(key, 3), (2, *shape))
        gamma_up = self.gamma_up + spread(xi[0], self.gamma_up_dtod)
        gamma_down = self.gamma_down + spread(xi[1], self.gamma_down_dtod)
        if not self.allow_increasing:
            gamma_up, gamma_down = jnp.abs(gamma_up), jnp.abs(gamma_down)
        common: Cells = super().sample(key, shape)
        return LinearCells(*common, gamma_up, gamma_down)

    def losses(self, cells: LinearCells, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The fractions of u and of v that are missing at ``w``: gamma at the bounds."""
        bounds = self if self.mean_bound_reference else cells
        offset = self.reverse_offset
        reference_up = bounds.w_min - offset if self.reverse_up else bounds.w_max
        reference_down = bounds.w_max + offset if self.reverse_down else bounds.w_min
        return (
            cells.gamma_up * ratio(w, reference_up),
            cells.gamma_down * ratio(w, reference_down),
        )
