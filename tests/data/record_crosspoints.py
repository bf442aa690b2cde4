"""Records crosspoints of an independent simulator, to be compared with by the tests of devices.

Run in an environment with aihwkit 1.1.0 and torch 2.10.0 (not needed by anything else here):

    python tests/data/record_crosspoints.py

Writes crosspoints.npz and crosspoints.json beside this file. For each case the JSON has the
device's class and settings; ``NAME/hidden/...`` are the constants that the simulator drew for its
crosspoints, ``NAME/w`` the weights before the first and after each of ``pulses/pulses``.
"""

import json
from pathlib import Path

import numpy as np
import torch
from aihwkit.simulator.configs import (
    SingleRPUConfig,
    UnitCellRPUConfig,
    UpdateParameters,
    compounds,
)
from aihwkit.simulator.configs import devices as kit
from aihwkit.simulator.parameters.enums import PulseType
from aihwkit.simulator.parameters.enums import VectorUnitCellUpdatePolicy as Policy
from aihwkit.simulator.tiles import AnalogTile

CROSSPOINTS = 6
PULSES = np.concatenate([np.ones(35), -np.ones(45), np.random.default_rng(5).choice([-1, 1], 40)])
ALIKE = {"dw_min_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0, "up_down_dtod": 0.0}
VARIED = {"dw_min": 0.06, "w_max": 0.8, "w_min": -0.7, "dw_min_std": 0.0}
FIXED_SLOPES = {"gamma_up_dtod": 0.0, "gamma_down_dtod": 0.0}
# Of the constants that the simulator names, those that a pulse depends on.
CONSTANTS = ("max_bound", "min_bound", "dwmin_up", "dwmin_down", "gamma", "reference")

CASES = {
    "constant_up_down": ("ConstantStep", {"up_down": 0.3, "up_down_dtod": 0.2}),
    "constant_down_up": ("ConstantStep", {"up_down": -0.3, "dw_min_dtod_log_normal": True}),
    "constant_corrupt": (
        "ConstantStep",
        {"corrupt_devices_prob": 0.5, "corrupt_devices_range": 0.4},
    ),
    "constant_inconsistent": (
        "ConstantStep",
        {"enforce_consistency": False, "dw_min_dtod": 1.0, "w_max_dtod": 1.5},
    ),
    "linear_mean_bounds": ("LinearStep", {"gamma_up": 0.7, "gamma_down": 0.2}),
    "linear_own_bounds": (
        "LinearStep",
        {"gamma_up": 0.4, "gamma_down": 0.9, "mean_bound_reference": False},
    ),
    "linear_increasing": (
        "LinearStep",
        {"gamma_up": -0.4, "gamma_down": -0.1, "allow_increasing": True},
    ),
    "linear_reverse_up": ("LinearStep", {"gamma_up": 0.8, "gamma_down": 0.3, "reverse_up": True}),
    "linear_reverse_down": (
        "LinearStep",
        {
            "gamma_up": 0.8,
            "gamma_down": 0.3,
            "reverse_down": True,
            "reverse_offset": 0.2,
            "mean_bound_reference": False,
        },
    ),
    "soft_bounds": ("SoftBounds", {"up_down": -0.2}),
    "reference": ("SoftBoundsReference", {"reference_mean": 0.1, "reference_std": 0.1}),
    "reference_slopes": ("SoftBoundsReference", {"slope_up_dtod": 0.3, "slope_down_dtod": 0.4}),
    "reference_symmetric": (
        "SoftBoundsReference",
        {"subtract_symmetry_point": True, "up_down": 0.2, "mult_noise": True},
    ),
    "exp": ("ExpStep", {"A_up": 0.05, "A_down": 0.3, "gamma_up": 4.0, "gamma_down": 3.0}),
    "exp_negative": (
        "ExpStep",
        {"A_up": -1.2, "A_down": -0.1, "gamma_up": 2.0, "gamma_down": 5.0, "a": -0.5, "b": -0.5},
    ),
    "pow": ("PowStep", {"pow_gamma": 2.5, "pow_gamma_dtod": 0.3, "pow_up_down": 0.3}),
    "pow_down_up": ("PowStep", {"pow_gamma": 0.6, "pow_up_down": -0.2, "pow_up_down_dtod": 0.1}),
    "pow_reference": ("PowStepReference", {"reference_mean": -0.1, "reference_std": 0.1}),
    "piecewise": (
        "PiecewiseStep",
        {"piecewise_up": [1.4, 1.0, 0.7, 0.1], "piecewise_down": [0.2, 0.9, 1.2, 1.0]},
    ),
}

PART = ("SoftBounds", {"up_down": 0.1})
OTHER = ("ConstantStep", {"dw_min": 0.03})
CELLS = {
    "vector_all": ("VectorUnitCell", {"update_policy": Policy.ALL, "gamma_vec": [0.8, 0.3]}),
    "vector_in_turn": ("VectorUnitCell", {"update_policy": Policy.SINGLE_SEQUENTIAL}),
    "reference_pair": ("ReferenceUnitCell", {}),
    "one_sided_pair": ("OneSidedUnitCell", {}),
}


RATE = 0.2
EXACT, MEAN = PulseType.DETERMINISTIC_IMPLICIT, PulseType.MEAN_COUNT
STOCHASTIC = PulseType.STOCHASTIC_COMPRESSED
# Pulse type, whether managed, longest train, repetitions. Trains of 31 are left out: the
# simulator's own random bits are correlated at that length.
UPDATES = {
    "deterministic_implicit": (EXACT, False, 20, 1),
    "deterministic_implicit_managed": (EXACT, True, 20, 1),
    "mean_count": (MEAN, False, 20, 1),
    "mean_count_managed": (MEAN, True, 20, 1),
    "stochastic_short": (STOCHASTIC, True, 5, 5000),
    "stochastic_managed": (STOCHASTIC, True, 30, 5000),
    "stochastic_unmanaged": (STOCHASTIC, False, 24, 5000),
}


def all_settings(kind, settings):
    return {**VARIED, **(FIXED_SLOPES if kind == "LinearStep" else {}), **settings}


def make(kind, settings):
    return getattr(kit, f"{kind}Device")(**all_settings(kind, settings))


def record(config):
    """The drawn constants, and the weights before and after each pulse."""
    config.update = UpdateParameters(
        desired_bl=1, fixed_bl=True, update_management=False, update_bl_management=False
    )
    tile = AnalogTile(1, CROSSPOINTS, config)
    tile.tile.set_weights(torch.zeros(1, CROSSPOINTS))
    tile.set_learning_rate(1.0)  # More than a step, so that every train of one bit has a pulse.
    hidden = {
        name: value.numpy()[0]
        for name, value in tile.get_hidden_parameters().items()
        if name.startswith(CONSTANTS)
    }
    path = [tile.tile.get_weights().numpy()[0]]
    for direction in PULSES:
        tile.update(torch.ones(1, CROSSPOINTS), torch.full((1, 1), -float(direction)))
        path.append(tile.tile.get_weights().numpy()[0])
    return hidden, np.stack(path)


def record_update(pulse_type, managed, bl, repeats):
    """Inputs, errors, and the mean and spread of the weights after a mini-batch from zero."""
    generator = np.random.default_rng(7)
    x, d = (generator.normal(size=(3, n)).astype(np.float32) for n in (CROSSPOINTS, 5))
    config = SingleRPUConfig(device=kit.SoftBoundsDevice(**{**VARIED, **ALIKE, "up_down": 0.2}))
    config.update = UpdateParameters(
        pulse_type=pulse_type,
        desired_bl=bl,
        update_management=managed,
        update_bl_management=managed,
        x_res_implicit=0.0,
        d_res_implicit=0.0,
    )
    tile = AnalogTile(5, CROSSPOINTS, config)
    tile.set_learning_rate(RATE)
    ends = []
    for _ in range(repeats):
        tile.tile.set_weights(torch.zeros(5, CROSSPOINTS))
        tile.update(torch.from_numpy(x), torch.from_numpy(d))
        ends.append(tile.tile.get_weights().numpy().T)
    return {"x": x, "d": d, "w": np.mean(ends, 0), "std": np.std(ends, 0)}


def main():
    torch.manual_seed(1)
    settings, arrays = {"pulses": {}}, {"pulses/pulses": PULSES.astype(np.int8)}
    for name, (kind, more) in {**CASES, **CELLS}.items():
        if name in CASES:
            config = SingleRPUConfig(device=make(kind, more))
            settings[name] = {"device": kind, **all_settings(kind, more)}
        else:
            parts = [PART, PART if "pair" in name else OTHER]
            cell = getattr(compounds, kind)(
                unit_cell_devices=[make(*part) for part in parts], **more
            )
            config = UnitCellRPUConfig(device=cell)
            settings[name] = {
                "device": kind,
                "significance": more.get("gamma_vec"),
                "parts": [{"device": part, **all_settings(part, own)} for part, own in parts],
            }
        hidden, path = record(config)
        assert np.ptp(path) > 0.1, name
        arrays[f"{name}/w"] = path
        arrays |= {f"{name}/hidden/{field}": value for field, value in hidden.items()}
    for name, options in UPDATES.items():
        fields = ("pulse_type", "managed", "desired_bl", "repeats")
        settings[name] = {"learning_rate": RATE, **dict(zip(fields, options, strict=True))}
        settings[name]["pulse_type"] = options[0].name.lower()
        result = record_update(*options)
        assert np.ptp(result["w"]) > 0.1, name
        arrays |= {f"{name}/{field}": value for field, value in result.items()}
    here = Path(__file__).parent
    (here / "crosspoints.json").write_text(json.dumps(settings, indent=1) + "\n")
    np.savez_compressed(here / "crosspoints.npz", **arrays)


if __name__ == "__main__":
    main()
