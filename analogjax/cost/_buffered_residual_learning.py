"""The cost of residual learning through a buffer."""

import dataclasses

from analogjax.cost._two_arrays import Buffered


@dataclasses.dataclass(frozen=True, kw_only=True)
class BufferedResidualLearning(Buffered):
    r"""The cost of :func:`analogjax.buffered_residual_learning` on K tiles, one buffer for all.

    .. math:: \text{bytes } N^2 + 2N, \quad \text{memory bits } 16N/n_s, \quad
      \text{operations } 2N + 2N/n_s, \quad \text{analog time } (l + 1/n_s)\,t_p + t_M/n_s

    That is :class:`TikiTakaV2`, however many tiles there are: a read is one of the last tile, and
    is written to one tile. Passes read all of them.

    Attributes:
      pulses_per_vector: l, slots of the pulse train of a vector pair, on average.
      num_tiles: K, at least 2.
      transfer_period: :math:`n_s`, vector pairs from one read of a line to the next.

    Reference: the rule is not published; the formulas are those of Rasch et al., Nat. Commun.
    15:7133 (2024), Table 1, for a buffer, and of Li et al., arXiv:2510.02516, for tiles.

    Example:
      >>> from analogjax.cost import BufferedResidualLearning, Layer, update_cost
      >>> layer = Layer(name="fc", inputs=512, outputs=512)
      >>> for tiles in (2, 6):
      ...     cost = update_cost([layer], BufferedResidualLearning(num_tiles=tiles))
      ...     print(round(cost.time_ns, 1), cost.arrays)
      56.3 4
      56.3 12
    """

    num_tiles: float = 4
    least_tiles = 2

    @property
    def tiles(self) -> float:
        """All of them."""
        return self.num_tiles
