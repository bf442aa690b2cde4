"""What pulse schemes and rules ask of a device."""

import abc
import dataclasses
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices._cells import AnyCells, is_concrete

Real = float | jax.Array
# One array ``(in, out)``, or for crosspoints of several conductances a NamedTuple of such arrays;
# the method ``weight`` of their cells says what they stand for.
Weights = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device(abc.ABC):
    """Anything an array can be made of.

    Attributes:
      pulsed: whether the device moves in pulses only; if False, the pulse schemes send none and
        leave the wanted change to :meth:`add`.
      redundant: numeric fields whose effect on the mean response others can take over, so that a
        measured curve cannot tell them apart; :func:`~analogjax.devices.fit` holds them unless
        asked.
    """

    pulsed: ClassVar[bool] = True
    redundant: ClassVar[tuple[str, ...]] = ()

    @property
    @abc.abstractmethod
    def granularity(self) -> Real:
        """The weight step the pulse generator reckons with."""

    @property
    @abc.abstractmethod
    def n_states(self) -> Real:
        """Number of states of the mean device."""

    @property
    def num_normals(self) -> int:
        """How many standard normal numbers one pulse of a crosspoint takes."""
        return 1

    @property
    def write_noise(self) -> Real:
        """Spread of what a read gives around what was written, in units of the weight."""
        return 0.0

    def sample_ageing(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """How ``shape`` crosspoints age; None if they do not."""
        del key, shape
        return None

    def apply_ageing(self, key: jax.Array, cells: AnyCells, ageing: Any, w: Weights) -> Weights:
        """The weights one mini-batch later, of crosspoints that :meth:`sample_ageing` says age."""
        del key, cells, ageing
        return w

    def at_rest(self) -> Self:
        """The device while its lines are switched off: without whatever sends it pulses."""
        return self

    def check_fields(self) -> None:
        """Raises a ValueError if fields contradict one another; extended by some devices."""
        granularity = self.granularity
        if is_concrete(granularity) and not np.all(np.asarray(granularity) > 0):
            raise ValueError(
                f"{type(self).__name__}.granularity, the step that pulses are counted in, must be "
                f"positive, got {granularity} from the other fields."
            )

    def without_variation(self) -> Self:
        """The same mean device, with every crosspoint and every pulse alike."""
        varied = ("_dtod", "_std", "corrupt_devices_prob")
        names = [field.name for field in dataclasses.fields(self) if field.name.endswith(varied)]
        return dataclasses.replace(self, **dict.fromkeys(names, 0.0))

    @abc.abstractmethod
    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> AnyCells:
        """Draws the constants of ``shape`` crosspoints."""

    def program(self, cells: AnyCells, w: jax.Array) -> Weights:
        """The weights the cells hold when asked to hold ``w``: clipped to their bounds."""
        return jnp.clip(w, cells.w_min, cells.w_max)

    def add(self, cells: AnyCells, w: Weights, change: jax.Array) -> Weights:
        """The weights after a change as a whole, of a device that does not move in pulses."""
        return self.program(cells, w + change)

    @abc.abstractmethod
    def steps(self, cells: AnyCells, w: Weights) -> tuple[jax.Array, jax.Array]:
        """Noise-free sizes of the next up and of the next down pulse, before any clipping."""

    def response(self, cells: AnyCells, w: Weights) -> tuple[jax.Array, jax.Array]:
        r"""Response factors :math:`q_+(w), q_-(w)`: the steps in units of the granularity.

        Args:
          cells: constants drawn by :meth:`sample`.
          w: weights, ``(in, out)``.

        Returns:
          ``(q_up, q_down)``, dimensionless: one pulse moves w by +granularity * q_up or by
          -granularity * q_down on average.
        """
        up, down = self.steps(cells, w)
        return up / self.granularity, down / self.granularity

    def symmetric_point(self, cells: AnyCells) -> jax.Array:
        r"""The weight where up and down steps are equal, :math:`q_+(w) = q_-(w)`.

        Alternating pulses drive the weight there. Found by bisection between the bounds, and
        differentiated implicitly; where the steps are equal nowhere, it is the bound that the
        larger of them leads to, and where they are equal everywhere, the weight closest to zero.

        Args:
          cells: constants drawn by :meth:`sample`.

        Returns:
          The weights, of the shape of the array, or a scalar where no constant varies.
        """
        shape = jnp.broadcast_shapes(*(jnp.shape(leaf) for leaf in jax.tree.leaves(cells)))
        # A finite range, so that unbounded devices have a middle, too.
        low, high = (
            jnp.broadcast_to(jnp.clip(bound, -1e30, 1e30), shape)
            for bound in (cells.w_min, cells.w_max)
        )

        def drift(w):
            up, down = self.steps(cells, w)
            return jnp.broadcast_to(up - down, shape)

        def halve(_, bounds):
            low, high = bounds
            middle = (low + high) / 2
            onward = drift(middle)
            return jnp.where(onward >= 0, middle, low), jnp.where(onward <= 0, middle, high)

        middle = (low + high) / 2
        below, above = jax.lax.fori_loop(0, self._halvings(cells), halve, (low, high))
        at_low, at_high = drift(low), drift(high)
        inside = (at_low > 0) & (at_high < 0)
        flat = (at_low == 0) & (at_high == 0) & (drift(middle) == 0)
        found = jax.lax.stop_gradient(jnp.where(inside, (below + above) / 2, middle))
        onward, slope = jax.jvp(drift, (found,), (jnp.ones(shape, found.dtype),))
        # Zero, but for its derivative by what the steps depend on: that of the solution.
        change = (onward - jax.lax.stop_gradient(onward)) / jnp.where(slope == 0, 1.0, slope)
        at_end = jnp.where(flat, jnp.clip(0.0, low, high), (below + above) / 2)
        return jnp.where(inside, found - change, at_end)

    def _halvings(self, cells: AnyCells) -> int:
        """How often the range between the bounds is halved to the resolution of a weight."""
        bounds = (getattr(self, name, getattr(cells, name)) for name in ("w_min", "w_max"))
        wide = any(is_concrete(bound) and not np.all(np.isfinite(bound)) for bound in bounds)
        return 160 if wide else 40

    @abc.abstractmethod
    def apply_pulse(
        self, key: jax.Array | None, cells: AnyCells, w: Weights, direction: jax.Array
    ) -> Weights:
        """The weights after one pulse, with noise drawn from a key (None: without noise)."""

    @abc.abstractmethod
    def pulse(self, cells: AnyCells, w: Weights, direction: jax.Array, xi: jax.Array) -> Weights:
        """The weights after one pulse, with given standard normal numbers ``xi`` as noise.

        One number for each crosspoint, or with several :attr:`num_normals` so many in front:
        ``(num_normals, in, out)``.
        """
