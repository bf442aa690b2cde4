"""The numbers of a technology: times, energies, sizes."""

import dataclasses
import math
from typing import Any

from analogjax.cost._plain import is_number, with_plain_numbers

_RASCH = "Rasch et al., Nat. Commun. 15:7133 (2024), Table 1"
_LI = "Li et al., arXiv:2510.02516, appendix I.2"
_GOKMEN = "Gokmen and Vlasov, Front. Neurosci. 10:333 (2016)"
_LE_GALLO = f"Le Gallo et al. (2018), as quoted in {_LI}"
# Of the perceptron 785-250-10 whose energies are published: its lines, those that errors come back
# through, and the floating-point operations of its outer products.
_FORWARD_LINES = 785 + 250 + 250 + 10
_BACKWARD_LINES = 250 + 10
_MIXED_PRECISION_OPS = 2 * (785 * 250 + 250 * 10) + 785 + 250


def _number(default: float, what: str, source: str) -> Any:
    return dataclasses.field(default=default, metadata={"what": what, "source": source})


def _choice(default: bool, what: str) -> Any:
    return dataclasses.field(default=default, metadata={"what": what, "source": "a choice"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Technology:
    r"""What an array, its converters and the digital unit beside it take; units are in the names.

    Energies are per line: those published for a perceptron of 785, 250 and 10 units, divided by its
    lines, since drivers and converters, one for each line, take most of them. Each field's metadata
    has ``what`` it is and its ``source``; ``docs/cost.md`` shows them all.

    Attributes:
      pulse_time_ns: time of one slot of a pulse train.
      sign_phases: 2 if positive and negative pulses are sent one after the other, else 1.
      read_time_ns: time of one matrix-vector product, or of the read of a line.
      digital_tflops: floating-point operations that a digital unit makes in a ps.
      arrays_per_digital_unit: matrices that share it.
      number_bits: size of a digital number.
      update_power_uw_per_line: power of a line while pulses are sent.
      forward_energy_pj_per_line: energy of a line in a read or a forward pass.
      backward_energy_pj_per_line: the same in a backward pass.
      digital_energy_pj_per_op: energy of a floating-point operation with its memory accesses.
      mixed_precision_passes_pj_per_line: what forward and backward passes take under mixed
        precision, of each line of either.
      crosspoint_pitch_um: width of a wire and the gap to the next.
      shared_converters: whether the tiles of a matrix share converters and drivers, their currents
        summed before one conversion.
      shareable_energy: share of the energy of a pass that they then share.
      stacked_tiles: whether the tiles of a matrix lie on top of each other.

    Example:
      >>> import dataclasses
      >>> from analogjax.cost import Technology
      >>> dataclasses.replace(Technology(), pulse_time_ns=1.0).pulse_time_ns
      1.0
    """

    pulse_time_ns: float = _number(5.0, "one slot of a pulse train", _RASCH)
    sign_phases: int = _number(1, "phases in which the signs of pulses are sent", _RASCH)
    read_time_ns: float = _number(40.0, "one matrix-vector product or read of a line", _RASCH)
    digital_tflops: float = _number(0.7, "operations of a digital unit in a ps", _RASCH)
    arrays_per_digital_unit: int = _number(4, "matrices that share a digital unit", _RASCH)
    number_bits: int = _number(8, "size of a digital number", _RASCH)
    update_power_uw_per_line: float = _number(
        0.7e6 / (2 * 4096), "0.7 W of an array of 4096 by 4096, by its lines", _GOKMEN
    )
    forward_energy_pj_per_line: float = _number(
        7290 / _FORWARD_LINES, f"7.29 nJ by the {_FORWARD_LINES} lines of both layers", _LE_GALLO
    )
    backward_energy_pj_per_line: float = _number(
        2150 / _BACKWARD_LINES, f"2.15 nJ by the {_BACKWARD_LINES} of the second layer", _LE_GALLO
    )
    digital_energy_pj_per_op: float = _number(
        62030 / _MIXED_PRECISION_OPS,
        f"62.03 nJ of an update of mixed precision by its {_MIXED_PRECISION_OPS:,} operations",
        _LE_GALLO,
    )
    mixed_precision_passes_pj_per_line: float = _number(
        21210 / (_FORWARD_LINES + _BACKWARD_LINES),
        f"21.21 nJ by the {_FORWARD_LINES + _BACKWARD_LINES} lines of both passes",
        _LE_GALLO,
    )
    crosspoint_pitch_um: float = _number(0.4, "a wire and the gap to the next", _GOKMEN)
    shared_converters: bool = _choice(False, "tiles of a matrix share their converters")
    shareable_energy: float = _number(
        1.0, "share of a pass's energy that tiles then share; 1 is the lower bound", "a choice"
    )
    stacked_tiles: bool = _choice(True, "tiles of a matrix lie on top of each other")


PUBLISHED = Technology()
_POSITIVE = ("digital_tflops", "arrays_per_digital_unit", "number_bits", "crosspoint_pitch_um")


# Of a constant that is not 0; products of a few stay within the range of numbers.
_SMALLEST = 1e-30


def check_technology(technology: Technology) -> None:
    """Raises an error if a constant is not what its name says, with its value.

    Raises:
      TypeError: if these are no constants.
      ValueError: naming the constant, its value and the remedy.

    Example:
      >>> import dataclasses
      >>> from analogjax.cost import Technology, check_technology
      >>> check_technology(Technology(read_time_ns=-1.0))
      Traceback (most recent call last):
      ...
      ValueError: read_time_ns of the technology must be a finite number of at least 0, got -1.0.
    """
    if not isinstance(technology, Technology):
        raise TypeError(
            f"technology must be a Technology, such as analogjax.cost.PUBLISHED, got "
            f"{technology!r}."
        )
    technology = with_plain_numbers(technology)
    for field in dataclasses.fields(technology):
        value = getattr(technology, field.name)
        name = f"{field.name} of the technology"
        if isinstance(field.default, bool):
            if not isinstance(value, bool):
                raise ValueError(f"{name} must be true or false, got {value!r}.")
            continue
        if not is_number(value) or not math.isfinite(value) or value < 0:
            raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}.")
        if field.name in _POSITIVE and value == 0:
            raise ValueError(f"{name} must be above 0, got {value!r}.")
        if value and not _SMALLEST <= value <= 1 / _SMALLEST:
            raise ValueError(
                f"{name} must lie between {_SMALLEST:g} and {1 / _SMALLEST:g} unless it is 0, got "
                f"{value!r}."
            )
    if technology.sign_phases not in (1, 2):
        raise ValueError(
            f"sign_phases of the technology must be 1 or 2, got {technology.sign_phases}."
        )
    if technology.shareable_energy > 1:
        raise ValueError(
            f"shareable_energy of the technology must be at most 1, got "
            f"{technology.shareable_energy}."
        )
