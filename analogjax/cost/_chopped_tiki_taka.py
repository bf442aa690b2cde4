"""The cost of chopped Tiki-Taka."""

import dataclasses

from analogjax.cost._two_arrays import BufferedArrays
from analogjax.cost._update_rule import Sizes


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChoppedTikiTaka(BufferedArrays):
    r"""The cost of :func:`analogjax.chopped_tiki_taka`: that of version 2, and the signs.

    .. math:: \text{bytes } N^2 + 2N, \quad \text{memory bits } 18N/n_s, \quad
      \text{operations } 2N + 2N/n_s, \quad \text{analog time } (l + 1/n_s)\,t_p + t_M/n_s

    Flipping a sign is no operation; loading and storing it takes two bits.

    Attributes:
      pulses_per_vector: l, slots of the pulse train of a vector pair, on average.
      transfer_period: :math:`n_s`, vector pairs from one read of a line to the next.
      gamma: share of the fast array in the weight; passes read it only if above 0.

    Reference: Rasch et al., Nat. Commun. 15:7133 (2024), Table 1.

    Example:
      >>> from analogjax.cost import ChoppedTikiTaka, Layer, update_cost
      >>> layer = Layer(name="fc", inputs=512, outputs=512)
      >>> update_cost([layer], ChoppedTikiTaka()).layers[0].memory_bits / 512
      9.0
    """

    def memory_bits(self, n: Sizes, reads: float, number_bits: int) -> float:
        """A line of the buffer, and its signs."""
        return super().memory_bits(n, reads, number_bits) + 2 * n.line * reads
