"""The cost of AGAD."""

import dataclasses

from analogjax.cost._chopped_tiki_taka import ChoppedTikiTaka
from analogjax.cost._update_rule import Sizes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agad(ChoppedTikiTaka):
    r"""The cost of :func:`analogjax.agad`: chopped Tiki-Taka with two more digital matrices.

    .. math:: \text{bytes } 3N^2 + 2N, \quad \text{memory bits } 50N/n_s, \quad
      \text{operations } 2N + 6N/n_s, \quad \text{analog time } (l + 1/n_s)\,t_p + t_M/n_s

    The reference takes one subtraction, the running mean of the reads two products and a sum.
    Without it the last read is the mean: :math:`N^2` bytes, 16 bits and 3 operations less.

    Attributes:
      pulses_per_vector: l, slots of the pulse train of a vector pair, on average.
      transfer_period: :math:`n_s`, vector pairs from one read of a line to the next.
      gamma: share of the fast array in the weight; passes read it only if above 0.
      running_mean: whether there is one.

    Reference: Rasch et al., Nat. Commun. 15:7133 (2024), Table 1.

    Example:
      >>> from analogjax.cost import Agad, Layer, update_cost
      >>> layer = Layer(name="fc", inputs=512, outputs=512)
      >>> round(update_cost([layer], Agad()).time_ns, 1)
      62.1
    """

    running_mean: bool = True

    def stored_numbers(self, n: Sizes) -> float:
        """The reference, and the running mean."""
        return super().stored_numbers(n) + self._matrices * n.matrix

    def memory_bits(self, n: Sizes, reads: float, number_bits: int) -> float:
        """A line of each of them loaded and stored."""
        lines = 2 * number_bits * n.line * reads
        return super().memory_bits(n, reads, number_bits) + self._matrices * lines

    def fp_ops(self, n: Sizes, reads: float) -> float:
        """The reference subtracted, and the mean brought up to date."""
        own = 4 if self.running_mean else 1
        return super().fp_ops(n, reads) + own * n.line * reads

    @property
    def _matrices(self) -> int:
        return 2 if self.running_mean else 1
