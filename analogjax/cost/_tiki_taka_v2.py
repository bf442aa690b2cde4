"""The cost of Tiki-Taka, version 2."""

import dataclasses

from analogjax.cost._two_arrays import BufferedArrays


@dataclasses.dataclass(frozen=True, kw_only=True)
class TikiTakaV2(BufferedArrays):
    r"""The cost of :func:`analogjax.tiki_taka_v2`: a digital buffer, touched a line at a time.

    .. math:: \text{bytes } N^2 + 2N, \quad \text{memory bits } 16N/n_s, \quad
      \text{operations } 2N + 2N/n_s, \quad \text{analog time } (l + 1/n_s)\,t_p + t_M/n_s

    Attributes:
      pulses_per_vector: l, slots of the pulse train of a vector pair, on average.
      transfer_period: :math:`n_s`, vector pairs from one read of a line to the next.
      gamma: share of the fast array in the weight; passes read it only if above 0.

    Reference: Rasch et al., Nat. Commun. 15:7133 (2024), Table 1.

    Example:
      >>> from analogjax.cost import Layer, TikiTakaV2, update_cost
      >>> layer = Layer(name="fc", inputs=512, outputs=512)
      >>> round(update_cost([layer], TikiTakaV2()).time_ns, 1)
      56.3
    """
