"""The mean-field update of the theory papers."""

import dataclasses

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device, draw_normal
from analogjax.pulses._lines import (
    Counts,
    cut_trains,
    line_probabilities,
    pulse_statistics,
    unlimited_statistics,
)
from analogjax.pulses._scheme import PulseScheme, check_length
from analogjax.pulses._sent import Sent


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExpectedPulses(PulseScheme):
    r"""The expected update: every crosspoint gets its mean number of pulses, fractions included.

    .. math:: W \leftarrow W + \Delta \odot F(W) - |\Delta| \odot G(W)

    with :math:`F = (q_- + q_+)/2`, :math:`G = (q_- - q_+)/2` and, for a mini-batch,
    :math:`\Delta = -\lambda\sum_b x_b\delta_b^T` but
    :math:`|\Delta| = \lambda\sum_b|x_b||\delta_b|^T`, since the up and down pulses of different
    samples do not cancel. With ``noise`` the variance of Lemma 1, that of the pulse counts, is
    added: :math:`g^2(\mathrm{Var}(n_\uparrow)q_+^2 + \mathrm{Var}(n_\downarrow)q_-^2)`.

    Left out: that a step depends on the weight left by the step before (terms of second order in
    the change), and noise of the single pulse (``dw_min_std``). Trainings under ``analog_sgd``,
    ``tiki_taka`` and ``residual_learning`` that send and transfer with it have derivatives, by
    rates and fields of devices, forward and reverse.

    Attributes:
      desired_bl: longest pulse train; None (the default, and the papers' recursion) for no limit,
        so that no wanted change is ever cut off.
      update_management: as for the other schemes; has no effect without ``desired_bl``.
      update_bl_management: likewise.
      noise: whether to add the spread of the pulse counts.

    Reference: Wu et al., arXiv:2406.12774, equation (5); Li et al., arXiv:2510.02516, Lemma 1.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.pulses import ExpectedPulses
      >>> device = SoftBounds.with_states(4).without_variation()
      >>> key = jax.random.key(0)
      >>> cells = device.sample(key, (1, 1))
      >>> w, one = jnp.full((1, 1), 0.5), jnp.ones((1, 1))
      >>> ExpectedPulses().apply(key, device, cells, w, one, -one, 0.1).item()  # 0.5 + 0.1 * 0.5
      0.55...
    """

    desired_bl: int | None = None
    update_management: bool = True
    update_bl_management: bool = True
    noise: bool = False

    def check_fields(self) -> None:
        """Raises a ValueError if the length of the trains is not valid."""
        if self.desired_bl is not None:
            check_length("ExpectedPulses", self.desired_bl)

    def send_pulses(
        self,
        key: jax.Array,
        device: Device,
        cells: AnyCells,
        w: jax.Array,
        x: jax.Array,
        d: jax.Array,
        learning_rate,
    ) -> Sent:
        """The recursion, with the mean number of pulses each crosspoint received."""
        _check_single(device, w)
        wanted = x, d, learning_rate, device.granularity
        if self.desired_bl is None:
            up, down = unlimited_statistics(*wanted, w.shape[1])
            return self._move(key, device, cells, w, up, down)
        lines = line_probabilities(
            *wanted,
            desired_bl=self.desired_bl,
            update_management=self.update_management,
            update_bl_management=self.update_bl_management,
        )
        sent = self._move(key, device, cells, w, *pulse_statistics(lines, w.shape[1]))
        cut = cut_trains(lines, learning_rate, device.granularity)
        return sent._replace(cut=cut, slots=jnp.sum(lines.length))

    def send_increment_pulses(
        self, key: jax.Array, device: Device, cells: AnyCells, w: jax.Array, increment: jax.Array
    ) -> Sent:
        r"""The recursion for one summed change: :math:`|\Delta|` is that of the sum."""
        _check_single(device, w)
        count = increment / device.granularity
        never = jnp.zeros_like(count)
        up, down = jnp.maximum(count, 0.0), jnp.maximum(-count, 0.0)
        return self._move(key, device, cells, w, Counts(up, never), Counts(down, never))

    def _move(self, key, device, cells, w, up: Counts, down: Counts) -> Sent:
        q_up, q_down = device.response(cells, w)
        move = up.mean * q_up - down.mean * q_down
        if self.noise:
            variance = _variance(up) * q_up**2 + _variance(down) * q_down**2
            move += jnp.sqrt(variance) * draw_normal(key, w.shape)
        w = device.program(cells, w + device.granularity * move)
        return Sent.summed(w, up.mean, down.mean)


def _check_single(device: Device, w) -> None:
    if isinstance(w, tuple):
        raise ValueError(
            f"ExpectedPulses follows one conductance a crosspoint, {type(device).__name__} has "
            f"several: use BatchedPulses or CoincidencePulses."
        )


def _variance(counts: Counts) -> jax.Array:
    return counts.mean * (1.0 - counts.prob)
