"""The exact stochastic update: bit trains, slot by slot, sample by sample."""

import dataclasses
from typing import Literal, get_args

import jax
import jax.numpy as jnp

from analogjax.devices import AnyCells, Device
from analogjax.pulses._bits import send_bits
from analogjax.pulses._deterministic import send_deterministic
from analogjax.pulses._lines import cut_trains, line_probabilities
from analogjax.pulses._scheme import PulseScheme, check_length
from analogjax.pulses._sent import Sent
from analogjax.pulses._tally import tallied

PulseType = Literal["stochastic", "deterministic_implicit", "mean_count"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoincidencePulses(PulseScheme):
    r"""The array's own algorithm: random bit trains on all lines, one pulse per coincidence.

    For each sample in turn, each input line j draws BL bits with probability
    :math:`\min(1, B|x_j|)`, each output line i with :math:`\min(1, A|\delta_i|)`. In each slot
    every crosspoint whose two lines both carry a pulse moves by one step, down if
    :math:`x_j\delta_i > 0` and up otherwise, from where the slot before has left it. The count of
    one sample is Binomial(BL, P) with :math:`P = p_x p_\delta`: mean
    :math:`\lambda|x\delta|/g`, variance :math:`BL\,P(1-P)`, and counts in a row are correlated,
    :math:`\mathrm{Cov}(n_{ij}, n_{ij'}) = BL\,p_\delta(1-p_\delta)p_xp_{x'}`.

    This is the yardstick. Its cost follows the number of vector pairs and of pulses; for many
    pairs, as convolutions have them, :class:`BatchedPulses` is the fast one.

    Attributes:
      desired_bl: longest pulse train.
      update_management: share the load between the input and the output lines.
      update_bl_management: shorten the trains where few pulses are needed.
      pulse_type: ``stochastic``, the above; or numbers of pulses without chance,
        ``deterministic_implicit``, :math:`\mathrm{round}(BL\, p_x p_\delta)`, and ``mean_count``,
        :math:`\mathrm{round}(\mathrm{round}(BL\, p_x)\, \mathrm{round}(BL\, p_\delta) / BL)`.

    Raises:
      ValueError: by a rule, or when pulses are sent, for a pulse type that there is not.

    Reference: Gokmen and Vlasov, Front. Neurosci. 10:333 (2016); Gokmen, Onen, Haensch,
    Front. Neurosci. 11:538 (2017), section 2.2 (the managements).

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.devices import ConstantStep
      >>> from analogjax.pulses import CoincidencePulses
      >>> device = ConstantStep(dw_min=0.1).without_variation()
      >>> key = jax.random.key(0)
      >>> cells = device.sample(key, (1, 1))
      >>> pulses = CoincidencePulses()
      >>> one = jnp.ones((1, 1))
      >>> round(pulses.apply(key, device, cells, jnp.zeros((1, 1)), one, one, 0.3).item(), 6)
      -0.3
    """

    desired_bl: int = 31
    update_management: bool = True
    update_bl_management: bool = True
    pulse_type: PulseType = "stochastic"

    def check_fields(self) -> None:
        """Raises a ValueError if the length of the trains or the pulse type is not valid."""
        check_length("CoincidencePulses", self.desired_bl)
        if self.pulse_type not in get_args(PulseType):
            raise ValueError(
                f"pulse_type must be one of {', '.join(get_args(PulseType))}, got "
                f"{self.pulse_type!r}."
            )

    def send_pulses(
        self,
        key: jax.Array,
        device: Device,
        cells: AnyCells,
        w: jax.Array,
        x: jax.Array,
        d: jax.Array,
        learning_rate,
    ) -> Sent:
        """All samples in turn, slot by slot."""
        lines = line_probabilities(
            x,
            d,
            learning_rate,
            device.granularity,
            desired_bl=self.desired_bl,
            update_management=self.update_management,
            update_bl_management=self.update_bl_management,
        )
        if self.pulse_type == "stochastic":
            sent = tallied(
                lambda *array: send_bits(key, *array, lines, self.desired_bl), device, cells, w
            )
        else:
            sent = send_deterministic(key, device, cells, w, lines, self.pulse_type)
        cut = cut_trains(lines, learning_rate, device.granularity)
        return sent._replace(cut=cut, slots=jnp.sum(lines.length))
