"""The cost of mixed precision."""

import dataclasses

from analogjax.cost._layer import Layer
from analogjax.cost._technology import Technology
from analogjax.cost._update_rule import Activity, Sizes, UpdateRule


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixedPrecision(UpdateRule):
    r"""The cost of :func:`analogjax.mixed_precision`: outer products in digital.

    .. math:: \text{bytes } N^2 + 2NB, \quad \text{memory bits } 16N^2/B, \quad
      \text{operations } 2N^2 + N, \quad \text{analog time } (N/B)\,t_p

    for B vector pairs from one writing to the next, in which each output line takes a pulse.

    The published energies of an update and of the passes are totals: that of the update, by its
    operations, includes the pulses, which count for nothing more.

    Attributes:
      batch_size: samples from one writing to the next.
      ops_per_element: operations of an outer product for each weight: 2, the product and the sum,
        or 1, as in the published times of whole networks.

    Reference: Rasch et al., Nat. Commun. 15:7133 (2024), Table 1; Li et al., arXiv:2510.02516,
    Tables 5, 7 and 8.

    Example:
      >>> from analogjax.cost import Layer, MixedPrecision, update_cost
      >>> layer = Layer(name="fc", inputs=512, outputs=512)
      >>> cost = update_cost([layer], MixedPrecision(batch_size=100))
      >>> round(cost.layers[0].digital_time_ns, 1), round(cost.layers[0].analog_time_ns, 1)
      (2998.9, 25.6)
    """

    batch_size: float = 100
    ops_per_element: int = 2
    tiles = 1

    def activity(self, layer: Layer) -> Activity:
        """A pulse for each output line of an array, once a mini-batch."""
        return Activity(layer.outputs / (self.batch_size * layer.vectors), 0.0)

    def stored_numbers(self, n: Sizes) -> float:
        """The memory of the gradient, and the vectors of a mini-batch."""
        return n.matrix + (n.x + n.d) * self.batch_size

    def memory_bits(self, n: Sizes, reads: float, number_bits: int) -> float:
        """The memory of the gradient loaded and stored once a mini-batch."""
        del reads
        return 2 * number_bits * n.matrix / (self.batch_size * n.vectors)

    def fp_ops(self, n: Sizes, reads: float) -> float:
        """The outer product, and one vector scaled by the learning rate."""
        del reads
        return self.ops_per_element * n.matrix + n.x

    def pulse_energy_nj(self, layer: Layer, slots: float, technology: Technology) -> float:
        """None: part of the published energy of the operations."""
        del layer, slots, technology
        return 0.0

    def pass_energy_nj(self, layer: Layer, technology: Technology) -> float:
        """That of its lines in either pass, with the digital operations that are published."""
        passes = 2 if layer.backward else 1
        return passes * technology.mixed_precision_passes_pj_per_line * layer.lines / 1e3
