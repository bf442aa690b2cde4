"""Devices by the names they have on the command line."""

import dataclasses

from analogjax import devices, presets
from analogjax.devices import PulsedDevice, ResponseFunctions


def device_names() -> dict[str, type[PulsedDevice]]:
    """Device classes that a name is enough for, by that name, such as soft-bounds."""
    members = [getattr(devices, name) for name in devices.__all__]
    return {
        _kebab(member.__name__): member
        for member in members
        if isinstance(member, type)
        and issubclass(member, PulsedDevice)
        and member not in (PulsedDevice, ResponseFunctions)
    }


def named_device(name: str, states: float | None = None) -> PulsedDevice:
    """A preset or a device class with its defaults, in kebab, snake or camel case.

    Args:
      name: such as ``reram-es``, ``soft_bounds`` or ``SoftBounds``.
      states: number of states to give it, instead of its own.

    Raises:
      ValueError: for an unknown name, with those known; for fewer than 2 states.
    """
    known = {preset.replace("_", "-"): getattr(presets, preset) for preset in presets.__all__}
    known |= device_names()
    plain = {key.replace("-", ""): make for key, make in known.items()}
    wanted = name.lower().replace("-", "").replace("_", "")
    if wanted not in plain:
        raise ValueError(f"No device is named {name!r}; choose from {', '.join(sorted(known))}.")
    device = plain[wanted]()
    if states is None:
        return device
    if not 2 <= states < float("inf"):
        raise ValueError(f"A device needs at least 2 states, got {states}; ReRAM has 4 to 20.")
    return dataclasses.replace(device, dw_min=device.dw_min * float(device.n_states) / states)


def _kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
