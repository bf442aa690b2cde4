"""The cost of Tiki-Taka."""

import dataclasses

from analogjax.cost._layer import Layer
from analogjax.cost._two_arrays import TwoArrays
from analogjax.cost._update_rule import Activity


@dataclasses.dataclass(frozen=True, kw_only=True)
class TikiTaka(TwoArrays):
    r"""The cost of :func:`analogjax.tiki_taka`: that of residual learning on two tiles.

    .. math:: \text{bytes } 2N, \quad \text{operations } 2N, \quad
      \text{analog time } l\,t_p (1 + 1/n_s) + t_M / n_s

    Attributes:
      pulses_per_vector: l, slots of the pulse train of a vector pair, on average.
      transfer_period: :math:`n_s`, vector pairs from one read of a line to the next.
      gamma: share of the fast array in the weight; passes read it only if above 0.

    Reference: own; Li et al., arXiv:2510.02516, appendix I.2, for two tiles.

    Example:
      >>> from analogjax.cost import Layer, TikiTaka, update_cost
      >>> layer = Layer(name="fc", inputs=512, outputs=512)
      >>> update_cost([layer], TikiTaka()).layers[0].analog_time_ns
      57.5
    """

    def activity(self, layer: Layer) -> Activity:
        """The train of the vector pair, and now and then a read and another train."""
        del layer
        reads = 1 / self.transfer_period
        return Activity(self.pulses_per_vector * (1 + reads), reads)
