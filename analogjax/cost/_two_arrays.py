"""What the rules of a fast and a slow array share, and those with a digital buffer."""

import dataclasses

from analogjax.cost._layer import Layer
from analogjax.cost._update_rule import Activity, PulsedRule, Sizes


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoArrays(PulsedRule):
    """The cost of a rule of a fast and a slow array.

    Attributes:
      pulses_per_vector: l, slots of the pulse train of a vector pair, on average.
      transfer_period: n_s, vector pairs from one read of a line to the next.
      gamma: share of the fast array in the weight; passes read it only if above 0.
    """

    transfer_period: float = 2.0
    gamma: float = 0.0
    tiles = 2

    @property
    def read_tiles(self) -> int:
        """The slow array, and the fast one if it counts."""
        return 2 if self.gamma > 0 else 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Buffered(PulsedRule):
    """The cost of a rule that writes single pulses out of a digital buffer of its reads.

    Attributes:
      pulses_per_vector: l, slots of the pulse train of a vector pair, on average.
      transfer_period: n_s, vector pairs from one read of a line to the next.
    """

    transfer_period: float = 2.0

    def activity(self, layer: Layer) -> Activity:
        """The train of the vector pair, and now and then a read and a pulse."""
        del layer
        reads = 1 / self.transfer_period
        return Activity(self.pulses_per_vector + reads, reads)

    def stored_numbers(self, n: Sizes) -> float:
        """The vectors and the buffer."""
        return n.matrix + n.x + n.d

    def memory_bits(self, n: Sizes, reads: float, number_bits: int) -> float:
        """A line of the buffer loaded and stored at each read."""
        return 2 * number_bits * n.line * reads

    def fp_ops(self, n: Sizes, reads: float) -> float:
        """The largest numbers; a line scaled and added to the buffer at each read."""
        return n.x + n.d + 2 * n.line * reads


@dataclasses.dataclass(frozen=True, kw_only=True)
class BufferedArrays(Buffered, TwoArrays):
    """A fast and a slow array with a digital buffer between them."""
