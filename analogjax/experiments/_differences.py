"""What differs between two settings, in words."""

from collections.abc import Mapping
from typing import Any


def differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> list[str]:
    """A phrase for each entry that is not the same in two nested mappings.

    Args:
      there: the settings that were recorded.
      here: those of now.
      prefix: of the names.
    """
    found = []
    for name in dict.fromkeys([*there, *here]):
        one, other = (side.get(name, "(not set)") for side in (there, here))
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{prefix}{name}.")
        elif one != other:
            found.append(f"{prefix}{name} {one} there, {other} here")
    return found
