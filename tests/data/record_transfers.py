"""Records buffered transfers of an independent simulator, for the tests of rules to compare with.

Run in an environment with aihwkit 1.1.0 and torch (not needed by anything else here):

    python tests/data/record_transfers.py

Writes transfers.npz and transfers.json beside this file. Before each step the fast tile is
overwritten with ``NAME/A[k]``, (out, in); no gradient is sent, though the step counts, and one line
is read ideally and written. ``C`` is the slow tile, ``H`` the buffer, ``P`` and ``R`` running mean
and reference, all after the step.
"""

import json
from pathlib import Path

import numpy as np
import torch
from aihwkit.simulator.configs import UnitCellRPUConfig, UpdateParameters, compounds
from aihwkit.simulator.configs.devices import ConstantStepDevice
from aihwkit.simulator.parameters import IOParameters
from aihwkit.simulator.parameters.enums import PulseType
from aihwkit.simulator.tiles import AnalogTile

BUFFERED = {"thres_scale": 1.5, "momentum": 0.2, "forget_buffer": True}
CHOPPED = {"in_chop_prob": 0.25, "in_chop_random": False, "forget_buffer": True, "momentum": 0.1}
CASES = {
    "buffered_gamma": ("BufferedTransferCompound", {**BUFFERED, "gamma": 0.3}, 1),
    "buffered_rows": ("BufferedTransferCompound", {**BUFFERED, "transfer_columns": False}, 1),
    "buffered_three_pulses": ("BufferedTransferCompound", {**BUFFERED, "forget_buffer": False}, 3),
    "buffered_every_third": ("BufferedTransferCompound", {**BUFFERED, "transfer_every": 3}, 1),
    "chopped_auto": ("ChoppedTransferCompound", {**CHOPPED, "auto_granularity": 7.0}, 1),
    "chopped_rows": ("ChoppedTransferCompound", {**CHOPPED, "transfer_columns": False}, 1),
    "chopped_three_pulses": (
        "ChoppedTransferCompound",
        {**CHOPPED, "forget_buffer": False, "buffer_granularity": 0.4},
        3,
    ),
    "dynamic_capped": (
        "DynamicTransferCompound",
        {**CHOPPED, "forget_buffer": False, "buffer_cap": 0.6, "tail_weightening": 3.0},
        1,
    ),
    "dynamic_rows": (
        "DynamicTransferCompound",
        {**CHOPPED, "transfer_columns": False, "tail_weightening": 5.0, "in_chop_prob": 0.5},
        1,
    ),
}
OUT, INP, LR, STEPS = 3, 4, 0.1, 120
FAST, SLOW, TRANSFER_LR = 0.01, 0.02, 2.9371
HIDDEN = {
    "A": "hidden_weights_0",
    "C": "hidden_weights_1",
    "H": "buffered_FP_weight",
    "P": "running_mean_weight",
    "R": "past_mean_weight",
}


def device(dw_min: float) -> ConstantStepDevice:
    """Steps that are all alike, and bounds that are far."""
    alike = dict.fromkeys(
        ("dw_min_dtod", "dw_min_std", "w_max_dtod", "w_min_dtod", "up_down_dtod"), 0.0
    )
    return ConstantStepDevice(dw_min=dw_min, w_max=10.0, w_min=-10.0, **alike)


def record(kind: str, settings: dict, most: int) -> dict[str, np.ndarray]:
    """The arrays of one case."""
    update = UpdateParameters(
        desired_bl=most,
        update_management=False,
        update_bl_management=False,
        pulse_type=PulseType.DETERMINISTIC_IMPLICIT
        if most > 1
        else PulseType.STOCHASTIC_COMPRESSED,
    )
    more = {"transfer_every": 1, **settings}
    compound = getattr(compounds, kind)(
        unit_cell_devices=[device(FAST), device(SLOW)],
        transfer_forward=IOParameters(is_perfect=True),
        transfer_update=update,
        transfer_lr=TRANSFER_LR,
        scale_transfer_lr=True,
        units_in_mbatch=False,
        **more,
    )
    tile = AnalogTile(OUT, INP, UnitCellRPUConfig(device=compound))
    tile.set_learning_rate(LR)
    tile.set_weights(torch.zeros(OUT, INP))
    rng, kept = np.random.default_rng(4), {}
    for _ in range(STEPS):
        hidden = tile.get_hidden_parameters()
        fast = 0.1 * rng.normal(size=(OUT, INP)).astype(np.float32) + 0.05
        names = {
            short: name
            for short, start in HIDDEN.items()
            for name in hidden
            if name.startswith(start)
        }
        hidden[names["A"]] = torch.from_numpy(fast)
        tile.set_hidden_parameters(hidden)
        tile.update(torch.zeros(1, INP), torch.zeros(1, OUT))
        after = tile.get_hidden_parameters()
        kept.setdefault("A", []).append(fast)
        for short, name in names.items():
            if short != "A":
                kept.setdefault(short, []).append(after[name].numpy().copy())
    return {short: np.stack(values).astype(np.float32) for short, values in kept.items()}


if __name__ == "__main__":
    here = Path(__file__).parent
    arrays, settings = {}, {}
    for name, (kind, fields, most) in CASES.items():
        for short, values in record(kind, fields, most).items():
            arrays[f"{name}/{short}"] = values
        settings[name] = {
            "rule": kind, "out": OUT, "inp": INP, "lr": LR, "dw_min_fast": FAST,
            "dw_min_slow": SLOW, "steps": STEPS, "transfer_lr": TRANSFER_LR, "desired_bl": most,
            **fields,
        }  # fmt: skip
    np.savez_compressed(here / "transfers.npz", **arrays)
    (here / "transfers.json").write_text(json.dumps(settings, indent=1) + "\n")
