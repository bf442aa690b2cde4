"""What all pulsed devices share: their constants, how these vary, and how a cell is drawn."""

import dataclasses
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices._ageing import Ageing, add_small
from analogjax.devices._cells import AnyCells, Cells, is_concrete, is_zero, spread, two_sided
from analogjax.devices._check import check_device
from analogjax.devices._device import Device, Real
from analogjax.devices._draws import draw_normal, draw_uniform


@dataclasses.dataclass(frozen=True, kw_only=True)
class PulsedDevice(Device):
    r"""A resistive device whose weight moves by one small step at each voltage pulse.

    The means and spreads of a whole population of devices. A crosspoint's own constants are drawn
    once, by :meth:`sample`; :meth:`apply_pulse` then moves it. Weights are normalised conductances
    (no unit); a suffix ``_dtod`` is a relative spread across crosspoints, ``_std`` a relative
    spread from pulse to pulse. Every number is a leaf of the pytree, so a whole training can be
    vmapped over it; booleans are static.

    With :math:`\xi` a fresh standard normal at every occurrence, a crosspoint has

    .. math::
      b^+ &= w_{max} (1 + w_{max,dtod} \xi), \qquad b^- = w_{min} (1 + w_{min,dtod} \xi) \\
      u &= dw_{min} (g + r + \min(up\_down, 0)), \qquad v = dw_{min} (g - r - \max(up\_down, 0))

    where :math:`g = 1 + dw_{min,dtod}\xi` (or :math:`e^{dw_{min,dtod}\xi}`) and
    :math:`r = up\_down_{dtod}\xi` are shared by both directions. Note that ``up_down`` weakens one
    direction only: 0.3 gives u = 1.0 and v = 0.7 times ``dw_min``.

    Attributes:
      dw_min: mean weight step of one pulse at w = 0, where the model does not say otherwise.
      dw_min_dtod: relative spread of the step across crosspoints.
      dw_min_dtod_log_normal: draw that spread from a log-normal law (median 1).
      dw_min_std: relative spread of the step from pulse to pulse.
      w_max: mean upper bound of the weight, at least 0.
      w_min: mean lower bound of the weight, at most 0.
      w_max_dtod: relative spread of the upper bound across crosspoints.
      w_min_dtod: relative spread of the lower bound across crosspoints.
      up_down: mean imbalance of the two directions, as a fraction of ``dw_min``.
      up_down_dtod: spread of that imbalance across crosspoints, as a fraction of ``dw_min``.
      write_noise_std: spread, in units of ``dw_min``, of what a read gives around the weight that
        pulses move; drawn anew by each pulse. It lives in the tiles, not in the functions here.
      lifetime: mean number of mini-batches over which a weight decays to its reset weight; 0 for
        no decay.
      lifetime_dtod: relative spread of the lifetime across crosspoints.
      diffusion: mean standard deviation of the random step of each mini-batch, in units of the
        weight.
      diffusion_dtod: relative spread of the diffusion across crosspoints.
      reset: mean weight that decay and a reset lead to.
      reset_dtod: spread of that weight across crosspoints, in units of the weight.
      reset_std: spread of the weight from one reset to the next, in units of the weight.
      corrupt_devices_prob: fraction of crosspoints stuck at a random weight for ever.
      corrupt_devices_range: largest size of that stuck weight.
      enforce_consistency: make steps positive and put the bounds on their own sides of zero; if
        False, a crosspoint whose bounds are crossed is dead at their midpoint.
    """

    dw_min: Real = 0.001
    dw_min_dtod: Real = 0.3
    dw_min_dtod_log_normal: bool = dataclasses.field(default=False, metadata={"static": True})
    dw_min_std: Real = 0.3
    w_max: Real = 0.6
    w_min: Real = -0.6
    w_max_dtod: Real = 0.3
    w_min_dtod: Real = 0.3
    up_down: Real = 0.0
    up_down_dtod: Real = 0.01
    write_noise_std: Real = 0.0
    lifetime: Real = 0.0
    lifetime_dtod: Real = 0.0
    diffusion: Real = 0.0
    diffusion_dtod: Real = 0.0
    reset: Real = 0.0
    reset_dtod: Real = 0.0
    reset_std: Real = 0.01
    corrupt_devices_prob: Real = 0.0
    corrupt_devices_range: Real = 0.1
    enforce_consistency: bool = dataclasses.field(default=True, metadata={"static": True})

    @property
    def granularity(self) -> Real:
        """The weight step the pulse generator reckons with: ``dw_min``."""
        return self.dw_min

    @property
    def write_noise(self) -> Real:
        """``write_noise_std * dw_min``."""
        return self.write_noise_std * self.dw_min

    @property
    def n_states(self) -> Real:
        """Number of states, ``(w_max - w_min) / granularity``, of the mean device."""
        return (self.w_max - self.w_min) / self.granularity

    @classmethod
    def with_states(cls, n: Real, *, w_max: Real = 1.0, w_min: Real = -1.0, **fields) -> Self:
        """A device with ``n`` states: its granularity is ``(w_max - w_min) / n``.

        Args:
          n: number of states, at least 2.
          w_max: mean upper bound of the weight.
          w_min: mean lower bound of the weight.
          **fields: any other field of the device.

        Raises:
          ValueError: if ``n`` is below 2.

        Example:
          >>> from analogjax.devices import SoftBounds
          >>> SoftBounds.with_states(4).dw_min
          0.5
        """
        if is_concrete(n) and not np.all((np.asarray(n) >= 2) & np.isfinite(n)):
            raise ValueError(f"A device needs at least 2 states, got {n}; ReRAM has 4 to 20.")
        unit = cls(dw_min=1.0, w_max=w_max, w_min=w_min, **fields)
        return dataclasses.replace(unit, dw_min=(w_max - w_min) / n / unit.granularity)

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> AnyCells:
        """Draws the constants of ``shape`` crosspoints, as in the class's equations.

        A device with more constants extends this: it draws them from ``jax.random.fold_in(key, n)``
        with n from 3 on (0 to 2 are used here), and returns a NamedTuple that starts with these.

        Args:
          key: a PRNG key.
          shape: shape of the array of crosspoints, ``(in, out)``.

        Returns:
          The cells. A constant that does not vary stays a scalar.

        Raises:
          ValueError: if a field of the device is out of its range.
        """
        check_device(self)
        key_normal, *keys = jax.random.split(key, 3)
        xi = draw_normal(key_normal, (4, *shape))
        w_max = self.w_max * (1.0 + spread(xi[0], self.w_max_dtod))
        w_min = self.w_min * (1.0 + spread(xi[1], self.w_min_dtod))
        gain = spread(xi[2], self.dw_min_dtod)
        gain = jnp.exp(gain) if self.dw_min_dtod_log_normal else 1.0 + gain
        imbalance = spread(xi[3], self.up_down_dtod)
        up, down = two_sided(self.dw_min, gain, imbalance, self.up_down)
        cells = _consistent(up, down, w_max, w_min, self.enforce_consistency)
        if is_zero(self.corrupt_devices_prob):
            return cells
        return _corrupt(keys, cells, shape, self.corrupt_devices_prob, self.corrupt_devices_range)

    def sample_reset(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """The weight each of ``shape`` crosspoints is reset to; a scalar if it does not vary."""
        return self.reset + spread(draw_normal(key, shape), self.reset_dtod)

    def apply_reset(
        self, key: jax.Array, cells: AnyCells, w: jax.Array, target: jax.Array
    ) -> jax.Array:
        """The weights after a reset: ``target``, with the spread ``reset_std``, clipped.

        Args:
          key: a PRNG key.
          cells: constants drawn by :meth:`sample`.
          w: weights before it, ``(in, out)``, of which only the shape matters.
          target: drawn by :meth:`sample_reset`.
        """
        return self.program(cells, target + self.reset_std * draw_normal(key, jnp.shape(w)))

    def sample_ageing(self, key: jax.Array, shape: tuple[int, ...]) -> Ageing | None:
        """How ``shape`` crosspoints age; None if lifetime and diffusion are known to be 0."""
        if is_zero(self.lifetime) and is_zero(self.diffusion):
            return None
        key_life, key_diffusion, key_reset = jax.random.split(key, 3)
        life = self.lifetime * (1.0 + spread(draw_normal(key_life, shape), self.lifetime_dtod))
        rate = 1.0 + spread(draw_normal(key_diffusion, shape), self.diffusion_dtod)
        return Ageing(
            rate=jnp.where(jnp.asarray(self.lifetime) == 0, 0.0, 1.0 / jnp.maximum(life, 1.0)),
            diffusion=jnp.abs(self.diffusion * rate),
            target=jnp.asarray(self.sample_reset(key_reset, shape)),
        )

    def apply_ageing(
        self, key: jax.Array, cells: AnyCells, ageing: Ageing, w: jax.Array
    ) -> jax.Array:
        r"""The weights one mini-batch later: diffusion, then decay, each clipped to the bounds.

        .. math::
          w \leftarrow w + diffusion\,\xi, \qquad
          w \leftarrow target + (1 - 1/t)(w - target)

        Args:
          key: a PRNG key.
          cells: constants drawn by :meth:`sample`.
          ageing: drawn by :meth:`sample_ageing`.
          w: weights, ``(in, out)``.
        """
        w = self.program(cells, w + ageing.diffusion * draw_normal(key, jnp.shape(w)))
        decay = ageing.rate * (ageing.target - w)
        return self.program(cells, add_small(jax.random.fold_in(key, 1), w, decay))

    def apply_pulse(
        self, key: jax.Array | None, cells: AnyCells, w: jax.Array, direction: jax.Array
    ) -> jax.Array:
        """The weights after one pulse: :meth:`pulse` with noise drawn from a key.

        Args:
          key: a PRNG key, or None for a pulse without noise.
          cells: constants drawn by :meth:`sample`.
          w: weights before the pulse.
          direction: +1 (up), -1 (down) or 0 (no pulse), of any shape that broadcasts with ``w``.

        Returns:
          The weights after it, in ``[w_min, w_max]`` of each cell.
        """
        if key is None or is_zero(self.dw_min_std):
            return self.pulse(cells, w, direction, jnp.zeros(()))
        shape = jnp.broadcast_shapes(jnp.shape(w), jnp.shape(direction))
        return self.pulse(cells, w, direction, draw_normal(key, shape))

    def pulse(
        self, cells: AnyCells, w: jax.Array, direction: jax.Array, xi: jax.Array
    ) -> jax.Array:
        r"""The weights after one pulse: :math:`w \pm step(w) (1 + dw_{min,std}\xi)`, clipped.

        Args:
          cells: constants drawn by :meth:`sample`.
          w: weights before the pulse.
          direction: +1 (up), -1 (down) or 0 (no pulse), of any shape that broadcasts with ``w``.
          xi: standard normal numbers, one for each crosspoint; unused if ``dw_min_std`` is 0.

        Returns:
          The weights after it, in ``[w_min, w_max]`` of each cell.
        """
        up, down = self.steps(cells, w)
        size = jnp.where(direction > 0, up, down)
        if not is_zero(self.dw_min_std):
            size = size + self.noise_scale(cells, w, size, direction) * self.dw_min_std * xi
        moved = self.program(cells, jnp.where(direction > 0, w + size, w - size))
        return jnp.where(direction == 0, w, moved)

    def noise_scale(
        self, cells: AnyCells, w: jax.Array, size: jax.Array, direction: jax.Array
    ) -> jax.Array:
        """What ``dw_min_std`` is relative to: here the size of the step itself."""
        del cells, w, direction
        return size


def _consistent(up, down, w_max, w_min, enforce) -> Cells:
    """Puts crossed or negative constants right, or makes cells with crossed bounds dead."""
    if enforce:
        high, low = jnp.maximum(w_max, w_min), jnp.minimum(w_max, w_min)
        return Cells(jnp.abs(up), jnp.abs(down), jnp.abs(high), -jnp.abs(low))
    dead = w_min > w_max
    middle = (w_max + w_min) / 2
    return Cells(up, down, jnp.where(dead, middle, w_max), jnp.where(dead, middle, w_min))


def _corrupt(keys, cells: Cells, shape, prob, value_range) -> Cells:
    """Makes a random fraction of the cells stick at a random weight within their bounds."""
    stuck = draw_uniform(keys[0], shape) < prob
    low = jnp.maximum(cells.w_min, -value_range)
    high = jnp.minimum(cells.w_max, value_range)
    value = low + (high - low) * draw_uniform(keys[1], shape)
    return Cells(
        step_up=jnp.where(stuck, 0.0, cells.step_up),
        step_down=jnp.where(stuck, 0.0, cells.step_down),
        w_max=jnp.where(stuck, value, cells.w_max),
        w_min=jnp.where(stuck, value, cells.w_min),
    )
