"""The cost of multi-tile residual learning."""

import dataclasses
import math

from analogjax.cost._layer import Layer
from analogjax.cost._update_rule import Activity, PulsedRule


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResidualLearning(PulsedRule):
    r"""The cost of :func:`analogjax.residual_learning` on K tiles, each read to the next in turn.

    .. math:: \text{bytes } 2N, \quad \text{operations } 2N, \quad \text{analog time }
      l\,t_p\sum_{j=0}^{K-1} n_s^{-j} + t_M\sum_{j=1}^{K-1} n_s^{-j}

    For ever more tiles, ``num_tiles=math.inf``, that is the published bound
    :math:`l\,t_p\,n_s/(n_s-1) + t_M/(n_s-1)`.

    Attributes:
      pulses_per_vector: l, slots of a pulse train, on average.
      num_tiles: K.
      transfer_period: :math:`n_s`, updates of a tile from one of its reads to the next.

    Reference: Li et al., arXiv:2510.02516, Table 5 and appendix I.2.

    Example:
      >>> import math
      >>> from analogjax.cost import Layer, ResidualLearning, update_cost
      >>> layer = Layer(name="fc", inputs=512, outputs=512)
      >>> [round(update_cost([layer], ResidualLearning(num_tiles=k)).time_ns, 1)
      ...  for k in (2, 4, math.inf)]
      [63.4, 87.7, 95.9]
    """

    num_tiles: float = 4
    transfer_period: float = 2.0

    @property
    def tiles(self) -> float:
        """All of them."""
        return self.num_tiles

    def activity(self, layer: Layer) -> Activity:
        """A train for each update of a tile, a read for each but those of the first."""
        del layer
        updates = _geometric(1 / self.transfer_period, self.num_tiles)
        return Activity(self.pulses_per_vector * updates, updates - 1)


def _geometric(ratio: float, terms: float) -> float:
    """The sum of the first powers of a ratio, from the 0th on."""
    if ratio == 1:
        return terms
    return (1 - (0.0 if math.isinf(terms) else ratio**terms)) / (1 - ratio)
