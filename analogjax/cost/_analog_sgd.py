"""The cost of analog SGD."""

import dataclasses

from analogjax.cost._layer import Layer
from analogjax.cost._update_rule import Activity, PulsedRule


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnalogSGD(PulsedRule):
    r"""The cost of :func:`analogjax.analog_sgd`: pulses alone.

    .. math:: \text{bytes } 2N, \quad \text{operations } 2N, \quad \text{analog time } l\,t_p

    Attributes:
      pulses_per_vector: l, slots of the pulse train of a vector pair, on average.

    Reference: Rasch et al., Nat. Commun. 15:7133 (2024), Table 1.

    Example:
      >>> from analogjax.cost import AnalogSGD, Layer, update_cost
      >>> layer = Layer(name="fc", inputs=512, outputs=512)
      >>> round(update_cost([layer], AnalogSGD()).time_ns, 1)
      30.9
    """

    tiles = 1

    def activity(self, layer: Layer) -> Activity:
        """The train of the vector pair."""
        del layer
        return Activity(self.pulses_per_vector, 0.0)
