"""From a wanted weight change to pulses at each crosspoint.

An array does not receive the gradient of a mini-batch: each sample sends its own up and down
pulses, which do not cancel, and each pays the device's asymmetry. Three schemes share one
interface, ``apply(key, device, cells, w, x, d, learning_rate) -> w``, and each is tested against
the one before it:

- :class:`CoincidencePulses`: the exact bit trains, sample by sample; the yardstick.
- :class:`BatchedPulses`: those of a mini-batch listed where they are few, else counted at once; the
  default.
- :class:`ExpectedPulses`: the mean-field recursion of the theory papers.
"""

from analogjax.pulses._batched import BatchedPulses as BatchedPulses
from analogjax.pulses._coincidence import CoincidencePulses as CoincidencePulses
from analogjax.pulses._expected import ExpectedPulses as ExpectedPulses
from analogjax.pulses._factors import Factors as Factors
from analogjax.pulses._in_place import change_if as change_if
from analogjax.pulses._lines import largest as largest
from analogjax.pulses._lines import outer_sum as outer_sum
from analogjax.pulses._scheme import PulseScheme as PulseScheme
from analogjax.pulses._sent import Sent as Sent
from analogjax.pulses._single import in_single as in_single
from analogjax.pulses._words import draw_words as draw_words
from analogjax.pulses._words import uniform as uniform

__all__ = [
    "BatchedPulses",
    "CoincidencePulses",
    "ExpectedPulses",
    "Factors",
    "PulseScheme",
    "Sent",
    "change_if",
    "draw_words",
    "in_single",
    "largest",
    "outer_sum",
    "uniform",
]
