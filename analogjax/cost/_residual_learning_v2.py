"""The cost of residual learning, version 2."""

import dataclasses

from analogjax.cost._layer import Layer
from analogjax.cost._two_arrays import BufferedArrays
from analogjax.cost._update_rule import Activity, Sizes


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResidualLearningV2(BufferedArrays):
    r"""The cost of :func:`analogjax.residual_learning_v2`: a buffer that averages the reads.

    .. math:: \text{bytes } N^2 + 2N, \quad \text{memory bits } 16N/n_s, \quad
      \text{operations } 2N + 3N/n_s, \quad
      \text{analog time } l\,t_p(1 + 1/n_s) + t_M/n_s

    The average takes two products and a sum, and what it says is written in a pulse train.

    Attributes:
      pulses_per_vector: l, slots of the pulse train of a vector pair, on average.
      transfer_period: :math:`n_s`, vector pairs from one read of a line to the next.
      gamma: share of the residual array in the weight; passes read it only if above 0.

    Reference: own, after Tiki-Taka version 2 of Rasch et al., Nat. Commun. 15:7133 (2024), Table 1.

    Example:
      >>> from analogjax.cost import Layer, ResidualLearningV2, update_cost
      >>> layer = Layer(name="fc", inputs=512, outputs=512)
      >>> update_cost([layer], ResidualLearningV2()).layers[0].fp_ops / 512
      3.5
    """

    gamma: float = 0.4

    def activity(self, layer: Layer) -> Activity:
        """The train of the vector pair, and now and then a read and another train."""
        del layer
        reads = 1 / self.transfer_period
        return Activity(self.pulses_per_vector * (1 + reads), reads)

    def fp_ops(self, n: Sizes, reads: float) -> float:
        """The largest numbers, and the average of a line."""
        return n.x + n.d + 3 * n.line * reads
