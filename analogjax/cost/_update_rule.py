"""What an update rule asks of the hardware: the interface of the formulas."""

import abc
import dataclasses
import math
from typing import Literal, NamedTuple, get_args

from analogjax.cost._layer import Layer
from analogjax.cost._plain import is_number, with_plain_numbers
from analogjax.cost._technology import Technology

VectorSize = Literal["inputs", "own"]


class Sizes(NamedTuple):
    """The numbers that are counted of a layer, all of its groups together.

    Attributes:
      x: of an input vector.
      d: of an error vector.
      line: of a line that a transfer reads.
      matrix: of a matrix.
      vectors: vector pairs that a sample sends.
    """

    x: int
    d: int
    line: int
    matrix: int
    vectors: float

    @classmethod
    def of(cls, layer: Layer, convention: VectorSize) -> "Sizes":
        """Those of a layer: "inputs" takes N, the number of input lines, for every vector."""
        if convention not in get_args(VectorSize):
            raise ValueError(
                f"vector_size must be one of {', '.join(get_args(VectorSize))}, got {convention!r}."
            )
        x, d = layer.inputs * layer.groups, layer.outputs * layer.groups
        if convention == "inputs":
            d = x
        return cls(x, d, d, layer.crosspoints, layer.vectors)


class Activity(NamedTuple):
    """What happens on the tiles of a matrix for one vector pair, on average.

    Attributes:
      slots: slots of pulse trains, of all tiles together.
      reads: lines read for transfers, likewise.
    """

    slots: float
    reads: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpdateRule(abc.ABC):
    """The cost of an update rule, in formulas; each rule is one file."""

    least_tiles = 1  # The fewest that the rule works with.

    @property
    @abc.abstractmethod
    def tiles(self) -> float:
        """Number of tiles of a matrix; each is two arrays, the main and the reference one."""

    @property
    def read_tiles(self) -> float:
        """Number of them that forward and backward passes read."""
        return self.tiles

    @abc.abstractmethod
    def activity(self, layer: Layer) -> Activity:
        """What a vector pair makes happen by the settings of the rule."""

    def stored_numbers(self, n: Sizes) -> float:
        """Digital numbers that are kept; by default the two vectors."""
        return n.x + n.d

    def memory_bits(self, n: Sizes, reads: float, number_bits: int) -> float:
        """Bits loaded and stored for a vector pair; by default none but the tables' O(1)."""
        del n, reads, number_bits
        return 1.0

    def load_bits(self, n: Sizes, number_bits: int) -> float:
        """Bits loaded for the update of a vector pair: its numbers."""
        return (n.x + n.d) * number_bits

    def fp_ops(self, n: Sizes, reads: float) -> float:
        """Floating-point operations; by default those that find the largest numbers."""
        del reads
        return n.x + n.d

    def pulse_energy_nj(self, layer: Layer, slots: float, technology: Technology) -> float:
        """Energy of the pulses of a vector pair."""
        power_uw = technology.update_power_uw_per_line * layer.lines
        time_ns = slots * technology.sign_phases * technology.pulse_time_ns
        return power_uw * time_ns / 1e6

    def pass_energy_nj(self, layer: Layer, technology: Technology) -> float:
        """Energy of the forward and backward pass of a vector pair."""
        energy_pj = technology.forward_energy_pj_per_line
        if layer.backward:
            energy_pj += technology.backward_energy_pj_per_line
        own = 1.0 - technology.shareable_energy if technology.shared_converters else 1.0
        tiles = 1.0 + own * (self.read_tiles - 1.0) if own else 1.0
        return tiles * energy_pj * layer.lines / 1e3


@dataclasses.dataclass(frozen=True, kw_only=True)
class PulsedRule(UpdateRule):
    """The cost of a rule that sends each vector pair as pulse trains.

    Attributes:
      pulses_per_vector: l, slots of the train of a vector pair, on average.
    """

    pulses_per_vector: float = 5.0

    def load_bits(self, n: Sizes, number_bits: int) -> float:
        """The numbers of a vector pair, and the bits of the trains on its lines."""
        return (n.x + n.d) * (number_bits + self.pulses_per_vector)


_LEAST = {
    "pulses_per_vector": 0,
    "transfer_period": 1,
    "gamma": 0,
    "batch_size": 1,
    "ops_per_element": 1,
}


def check_rule(rule: UpdateRule) -> None:
    """Raises an error if this is no rule, or a setting of it out of its range."""
    if not isinstance(rule, UpdateRule):
        name = rule.__name__ if isinstance(rule, type) else type(rule).__name__
        raise TypeError(
            f"rule must be one of analogjax.cost, made with its settings, such as "
            f"ResidualLearning(), got {name}."
        )
    rule = with_plain_numbers(rule)
    limits = _LEAST | {"num_tiles": rule.least_tiles}
    for field in dataclasses.fields(rule):
        value, least = getattr(rule, field.name), limits.get(field.name)
        if least is None:
            continue
        name = f"{field.name} of {type(rule).__name__}"
        if not is_number(value) or not value >= least:
            raise ValueError(f"{name} must be at least {least}, got {value!r}.")
        if math.isinf(value) and field.name != "num_tiles":
            raise ValueError(f"{name} must be finite, got {value}.")
        if field.name == "num_tiles" and not math.isinf(value) and value != int(value):
            raise ValueError(f"{name} must be a whole number, got {value}.")
        if field.name == "ops_per_element" and value not in (1, 2):
            raise ValueError(f"{name} must be 1 or 2, got {value}.")
