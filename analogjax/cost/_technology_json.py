"""A technology as a JSON document."""

import dataclasses
import difflib
import json
from typing import Any

from analogjax.cost._plain import with_plain_numbers
from analogjax.cost._technology import Technology, check_technology


def technology_to_json(technology: Technology) -> str:
    """The constants of a technology as a JSON object, to be edited and given back.

    Args:
      technology: the technology.

    Example:
      >>> from analogjax.cost import Technology, technology_from_json, technology_to_json
      >>> technology_from_json(technology_to_json(Technology())) == Technology()
      True
    """
    constants = dataclasses.asdict(with_plain_numbers(technology))
    return json.dumps(constants, indent=2, allow_nan=False) + "\n"


def technology_from_json(text: str) -> Technology:
    """The technology of a JSON object that names every constant.

    None is filled in, so that a document says all that its results rest on.

    Args:
      text: the document, as :func:`technology_to_json` writes it.

    Raises:
      ValueError: if it is no JSON object, lacks a constant, has one there is not, one twice, or
        one that is negative, no number or beyond what costs can be reckoned with.

    Example:
      >>> from analogjax.cost import Technology, technology_from_json, technology_to_json
      >>> text = technology_to_json(Technology()).replace("pulse_time_ns", "pulse_time")
      >>> technology_from_json(text)
      Traceback (most recent call last):
      ...
      ValueError: A technology has no 'pulse_time'; did you mean 'pulse_time_ns'?
    """
    try:
        content = json.loads(text, object_pairs_hook=_each_once)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"A technology is JSON, but this is not: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"A technology is a JSON object, got {type(content).__name__}.")
    names = [field.name for field in dataclasses.fields(Technology)]
    for name in content:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"it has {', '.join(names)}."
            raise ValueError(f"A technology has no '{name}'; {hint}")
    missing = [name for name in names if name not in content]
    if missing:
        raise ValueError(
            f"The technology lacks {', '.join(missing)}: start from the constants that "
            f"technology_to_json(Technology()) or 'analogjax cost' writes."
        )
    technology = Technology(**content)
    check_technology(technology)
    return technology


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The constants of an object; raises a ValueError for one that is given twice."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"A technology has '{name}' once, got it twice: delete one.")
        found[name] = value
    return found
