"""Up and down pulse counts drawn for a whole mini-batch at once."""

import dataclasses

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._apply_counts import apply_counts
from analogjax.pulses._lines import line_probabilities, pulse_statistics
from analogjax.pulses._sampling import draw_counts
from analogjax.pulses._scheme import PulseScheme
from analogjax.pulses._sent import Sent
from analogjax.pulses._words import draw_words, stream


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchedPulses(PulseScheme):
    r"""The pulse counts of a mini-batch, drawn at once from the law that the bit trains give them.

    For each crosspoint the number of up pulses is drawn from Binomial(N, :math:`\mu/N`) with
    :math:`\mu = \sum_b BL_b P_b` over the samples that send up pulses and
    :math:`N = \lceil\mu^2/\sum_b BL_b P_b^2\rceil`, and likewise the number of down pulses.
    They are then sent one after another in random order, each step taken from the weight that the
    one before has left.

    Kept exactly: the mean of both counts, and for a mini-batch of one their law; that up and
    down pulses of different samples do not cancel, each paying the asymmetry; the dependence of
    each step on the state; the noise of each pulse.

    Left out: the order of the samples within the mini-batch, and the correlation of counts along
    a row and along a column, which share bit trains. The variance of a count of several samples
    lies between the exact one, :math:`\mu - \sum_b BL_b P_b^2`, and :math:`\mu`; the two meet
    where coincidences are rare. Counts with a mean above 60 are drawn from the normal law.

    Attributes:
      desired_bl: longest pulse train.
      update_management: share the load between the input and the output lines.
      update_bl_management: shorten the trains where few pulses are needed.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import ConstantStep
      >>> from analogjax.pulses import BatchedPulses
      >>> device = ConstantStep(dw_min=0.01).without_variation()
      >>> key = jax.random.key(0)
      >>> cells = device.sample(key, (2, 3))
      >>> x, d = jnp.ones((4, 2)), jnp.array([[0.5, 0.0, -0.5]] * 4)
      >>> w = BatchedPulses().apply(key, device, cells, jnp.zeros((2, 3)), x, d, 0.1)
      >>> bool((w[:, 0] < 0).all() and (w[:, 1] == 0).all() and (w[:, 2] > 0).all())
      True
    """

    desired_bl: int = 31
    update_management: bool = True
    update_bl_management: bool = True

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
        """The counts of all crosspoints, then their pulses."""
        lines = line_probabilities(
            x, d, learning_rate, device.granularity, **dataclasses.asdict(self)
        )
        up, down = pulse_statistics(lines)
        words = draw_words(key, (x.shape[1], d.shape[1]))
        highest_mean = x.shape[0] * self.desired_bl
        if x.shape[0] == 1:
            # One vector pair pulses each crosspoint in one direction only: one draw does.
            mean, prob = up.mean + down.mean, jnp.maximum(up.prob, down.prob)
            n = draw_counts(words, mean, prob, highest_mean)
            is_up = up.mean > down.mean
            n_up, n_down = jnp.where(is_up, n, 0), jnp.where(is_up, 0, n)
        else:
            n_up, n_down = draw_counts(
                jnp.stack([words, stream(words, 1)]),
                jnp.stack([up.mean, down.mean]),
                jnp.stack([up.prob, down.prob]),
                highest_mean,
            )
        return Sent(apply_counts(words, device, cells, w, n_up, n_down), n_up, n_down)
