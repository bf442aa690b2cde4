"""Records matrix-vector products of an independent simulator, for the periphery to compare with.

Run in an environment with aihwkit 1.1.0 and torch (not needed by anything else here):

    python tests/data/record_mvm.py

Writes mvm.npz and mvm.json beside this file. ``NAME/w`` is (out, in), ``NAME/x`` (batch, in);
``NAME/mean`` and ``NAME/std`` are taken over ``reps`` products. Backward products have ``x``
(batch, out). What the simulator has drawn for lines or crosspoints is stored under its own names.
"""

import json
from pathlib import Path

import numpy as np
import torch
from aihwkit.simulator.configs import IdealDevice, SingleRPUConfig
from aihwkit.simulator.parameters import IOParameters, enums
from aihwkit.simulator.tiles import AnalogTile

BATCH, REPS = 10, 4000
ENUMS = {
    "noise_management": enums.NoiseManagementType,
    "bound_management": enums.BoundManagementType,
    "w_noise_type": enums.WeightNoiseType,
    "mv_type": enums.AnalogMVType,
}
# Without noise and bound management, but for what a case says.
QUIET = {"out_noise": 0.0, "bound_management": "none"}
LOW = {"out_noise": 0.0, "out_bound": 1.5}
PLAIN = {**QUIET, "inp_res": -1.0, "out_res": -1.0}
WIRES = {**PLAIN, "out_bound": 3.0}
EXACT = {
    "abs_max_limited": {**QUIET, "nm_thres": 1.2},
    "max": {**QUIET, "noise_management": "max"},
    "constant": {**QUIET, "noise_management": "constant", "nm_thres": 0.7},
    "constant_1": {**QUIET, "noise_management": "constant"},
    "np_sum": {**QUIET, "noise_management": "abs_max_np_sum", "out_bound": 1.0},
    "np_sum_limited": {**LOW, "noise_management": "abs_max_np_sum", "max_bm_res": 0.02},
    "average_abs_max": {**QUIET, "noise_management": "average_abs_max"},
    "input_bound": {**QUIET, "noise_management": "none", "inp_bound": 0.8},
    "iterative": LOW,
    "iterative_unscaled": {**LOW, "noise_management": "none", "out_bound": 0.3},
    "iterative_few": {**LOW, "out_bound": 0.2, "max_bm_factor": 2},
    "iterative_coarse": {**LOW, "out_bound": 0.2, "max_bm_res": 0.05},
    "iterative_no_steps": {**LOW, "out_bound": 0.01, "inp_res": -1.0},
    "worst_case": {**LOW, "bound_management": "iterative_worst_case"},
    "worst_case_low": {**LOW, "out_bound": 0.3, "bound_management": "iterative_worst_case"},
    "steps_in_numbers": {**QUIET, "inp_res": 30.0, "out_res": 62.0, "out_bound": 4.0},
    "asymmetry": {**QUIET, "inp_asymmetry": 0.2, "out_asymmetry": 0.1, "out_scale": 1.5},
    "ir_drop": {**PLAIN, "ir_drop": 1.0, "ir_drop_g_ratio": 200.0},
    "v_offset": {**WIRES, "v_offset_std": 0.2},
    "v_offset_no_reference": {**WIRES, "v_offset_std": 0.2, "v_offset_w_min": 0.0},
    "v_offset_resistance": {**WIRES, "v_offset_std": 0.2, "r_series": 0.1},
    "resistance": {**WIRES, "r_series": 0.1, "v_offset_w_min": 0.0},
    "resistance_calibrated": {**WIRES, "r_series": 0.1, "slope_calibration": 0.5},
    "nonlinearity": {**WIRES, "out_nonlinearity": 0.5},
    "nonlinearity_varied": {
        **WIRES, "out_nonlinearity": 0.5, "out_nonlinearity_std": 0.3, "slope_calibration": 0.5,
    },
    "separate": {**WIRES, "mv_type": "pos_neg_separate", "ir_drop": 1.0, "ir_drop_g_ratio": 200.0},
    "separate_quantised": {
        **LOW, "mv_type": "pos_neg_separate", "inp_asymmetry": 0.2, "out_bound": 1.0,
    },
    "digital_sum": {
        **LOW, "mv_type": "pos_neg_separate_digital_sum", "inp_asymmetry": 0.2,
        "out_asymmetry": 0.1, "out_bound": 1.0,
    },
    "read_asymmetry": {**PLAIN, "mv_type": "pos_neg_separate", "w_read_asymmetry_dtod": 0.3},
    "backward": LOW,
    "backward_ir_drop": {**PLAIN, "ir_drop": 1.0, "ir_drop_g_ratio": 200.0},
}  # fmt: skip
NOISY = {
    "input_noise": {**PLAIN, "inp_noise": 0.1},
    "input_noise_asymmetric": {**PLAIN, "inp_noise": 0.5, "inp_asymmetry": 0.5},
    "output_noise_varied": {**PLAIN, "out_noise": 0.1, "out_noise_std": 0.5},
    "weight_noise": {**PLAIN, "w_noise": 0.05, "w_noise_type": "additive_constant"},
    "pcm_noise": {**PLAIN, "w_noise": 0.05, "w_noise_type": "pcm_read"},
    "input_rounding": {**PLAIN, "inp_res": 0.1, "inp_sto_round": True},
    "output_rounding": {**PLAIN, "out_res": 0.05, "out_bound": 4.0, "out_sto_round": True},
    "default_low": {"out_bound": 1.5},
    "worst_case_noisy": {"out_bound": 1.5, "bound_management": "iterative_worst_case"},
    "digital_sum_noisy": {**PLAIN, "out_noise": 0.1, "mv_type": "pos_neg_separate_digital_sum"},
    "separate_noisy": {**PLAIN, "out_noise": 0.1, "mv_type": "pos_neg_separate"},
    "backward_noisy": {"out_noise": 0.1, "w_noise": 0.05, "w_noise_type": "additive_constant"},
}
DRAWN = ("v_offset", "out_nonlinearity", "out_noise_values", "w_asymmetry")


def io_parameters(fields: dict) -> IOParameters:
    """The settings of the simulator that have our names and words."""
    words = {name: ENUMS[name][fields[name].upper()] for name in ENUMS if name in fields}
    return IOParameters(**{**fields, **words})


def record(name: str, fields: dict, reps: int) -> dict[str, np.ndarray]:
    """The arrays of one case."""
    rng = np.random.default_rng(len(name))
    inp, out = (12, 6) if reps > 1 else (20, 7)
    io, back = io_parameters(fields), name.startswith("backward")
    tile = AnalogTile(out, inp, SingleRPUConfig(device=IdealDevice(), forward=io, backward=io))
    w = (0.3 * rng.normal(size=(out, inp))).astype(np.float32)
    tile.set_weights(torch.from_numpy(w))
    sizes = np.geomspace(0.2, 3.0, 3 if reps > 1 else BATCH)[:, None]
    x = (sizes * rng.normal(size=(len(sizes), out if back else inp))).astype(np.float32)
    if reps == 1:
        x[1], x[2] = 0.0, -np.abs(x[2])
    product = tile.backward if back else tile.forward
    draws = [product(torch.from_numpy(x)).detach().numpy() for _ in range(reps)]
    y = np.stack(draws).astype(np.float64)
    kept = {"w": w, "x": x, "mean": y.mean(0), "std": y.std(0)}
    drawn = tile.get_forward_parameters()
    used = {short: drawn[short].numpy() for short in DRAWN if short in drawn}
    return {n: np.asarray(a, np.float32) for n, a in {**kept, **used}.items() if np.size(a)}


if __name__ == "__main__":
    here = Path(__file__).parent
    arrays, settings = {}, {}
    for cases, reps in ((EXACT, 1), (NOISY, REPS)):
        for name, fields in cases.items():
            for short, values in record(name, fields, reps).items():
                arrays[f"{name}/{short}"] = values
            settings[name] = {"reps": reps, **fields}
    np.savez_compressed(here / "mvm.npz", **arrays)
    (here / "mvm.json").write_text(json.dumps(settings, indent=1) + "\n")
