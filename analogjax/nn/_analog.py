"""What it means for a layer to be analog, and which layers of a model are."""

import dataclasses
import re
from collections.abc import Iterable, Sequence

from analogjax.devices import Device
from analogjax.nn._mapping import Mapping, check_mapping
from analogjax.periphery import AnalogIO


@dataclasses.dataclass(frozen=True)
class Analog:
    """How the arrays of some layers are made and read.

    Attributes:
      device: what their crosspoints are, one device or one for each tile. The layers do not look at
        it: it is for the rule that trains them, so that one list says everything about a model.
      io: the converters of their products; None for perfect ones.
      io_backward: the converters of their backward products; None for exact derivatives.
      mapping: how their weights lie on arrays; None for one array as large as the matrix.

    Example:
      >>> import optax, analogjax
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.nn import Analog
      >>> from analogjax.periphery import AnalogIO
      >>> rules = [("encoder/.*/kernel", Analog(device=SoftBounds(), io=AnalogIO()))]
      >>> optimizer = analogjax.by_path(
      ...     {path: analogjax.analog_sgd(0.1, a.device, key=0) for path, a in rules},
      ...     otherwise=optax.sgd(0.1),
      ... )
    """

    device: Device | Sequence[Device] | None = None
    io: AnalogIO | None = None
    io_backward: AnalogIO | None = None
    mapping: Mapping | None = None

    @property
    def is_random(self) -> bool:
        """Whether a product or its derivative draws random numbers."""
        return any(io is not None and io.is_random for io in (self.io, self.io_backward))


def analog_of(layer) -> Analog:
    """What a layer's own arguments make it."""
    return Analog(io=layer.io, io_backward=layer.io_backward, mapping=layer.mapping)


Rules = Sequence[tuple[str, Analog]]


def check_rules(rules: Rules) -> None:
    """Raises an error if rules are no pairs of a pattern and what its layers are."""
    for rule in rules:
        if not (isinstance(rule, tuple | list) and len(rule) == 2 and isinstance(rule[0], str)):
            raise TypeError(f"rules must be pairs (pattern, Analog(...)), got {rule!r}.")
        pattern, analog = rule
        if not isinstance(analog, Analog):
            raise TypeError(
                f"The layers of '{pattern}' need an analogjax.nn.Analog, got "
                f"{type(analog).__name__}: write Analog(io=...)."
            )
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"'{pattern}' is no regular expression: {error}.") from None
        check_analog(analog)


def check_analog(analog: Analog) -> None:
    """Raises an error if a layer cannot be read or mapped as it says."""
    if analog.mapping is not None:
        check_mapping(analog.mapping)
    for name, io in (("io", analog.io), ("io_backward", analog.io_backward)):
        if io is not None and not isinstance(io, AnalogIO):
            raise TypeError(f"{name} must be an AnalogIO or None, got {type(io).__name__}.")
    io = analog.io
    if io is not None and io.noise_management == "average_abs_max" and not io.is_perfect:
        raise ValueError(
            "A layer keeps no running mean of the sizes of its inputs: set noise_management of io "
            "to 'abs_max', got 'average_abs_max'."
        )


def rule_of(rules: Rules, path: str) -> tuple[str, Analog] | None:
    """The first rule whose pattern is found in the path of a kernel."""
    return next((rule for rule in rules if re.search(rule[0], path)), None)


def check_all_used(rules: Rules, paths: Iterable[str]) -> None:
    """Raises a ValueError if a pattern gets none of the kernels."""
    paths = list(paths)
    used = [rule_of(rules, path) for path in paths]
    for rule in rules:
        if rule not in used:
            raise ValueError(
                f"The pattern '{rule[0]}' matches none of the kernels {paths} that patterns before "
                f"it have left."
            )


def refuse_kind(path: str, rule: tuple[str, Analog], layer: object, kinds: str) -> None:
    """Raises a ValueError for a kernel that was asked for, but no crossbar multiplies with."""
    raise ValueError(
        f"The pattern '{rule[0]}' matches '{path}' of a {type(layer).__name__}, which cannot be "
        f"made analog ({kinds} can): change the pattern."
    )
