"""Every pulsed device of the package, in one table that the tests walk."""

import analogjax.devices
from analogjax.devices import (
    ConstantStep,
    ExpStep,
    LinearStep,
    PiecewiseStep,
    PowStep,
    PowStepReference,
    PulsedDevice,
    ResponseFunctions,
    SoftBounds,
    SoftBoundsReference,
)

DEVICES: dict[str, PulsedDevice] = {
    "ConstantStep": ConstantStep(),
    "ExpStep": ExpStep(),
    "LinearStep": LinearStep(gamma_up=0.4, gamma_down=0.7),
    "PiecewiseStep": PiecewiseStep(piecewise_up=(1.5, 1.0, 0.2), piecewise_down=(0.1, 1.0, 1.6)),
    "PowStep": PowStep(pow_gamma=1.5),
    "PowStepReference": PowStepReference(pow_gamma=1.5),
    "ResponseFunctions": ResponseFunctions(
        q_up=lambda w, slope: 1.0 - slope * w,
        q_down=lambda w, slope: 1.0 + slope * w,
        parameters=(1.2,),
    ),
    "SoftBounds": SoftBounds(),
    "SoftBoundsReference": SoftBoundsReference(),
}


def public_classes():
    """The pulsed devices that the package exports, by name."""
    members = {name: getattr(analogjax.devices, name) for name in analogjax.devices.__all__}
    return {
        name
        for name, member in members.items()
        if isinstance(member, type) and issubclass(member, PulsedDevice) and name != "PulsedDevice"
    }


assert set(DEVICES) == public_classes(), "give every device a row"
