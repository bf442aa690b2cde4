"""Records layers mapped onto arrays by an independent simulator, for `analogjax.nn.Mapping`.

Run in an environment with aihwkit 1.1.0 and torch (not needed by anything else here):

    python tests/data/record_mapping.py

Writes mapping.npz and mapping.json beside this file. ``NAME/w`` is (out, in), ``NAME/b`` (out,) if
there is a bias, ``NAME/x`` (batch, in), ``NAME/d`` (batch, out), the derivative of a loss by the
outputs ``NAME/y``; ``NAME/dx`` is that by the inputs and ``NAME/w_after`` what ``w`` is after one
exact update of the arrays at learning rate 0.1. The settings have our names; ``out_scale`` is what
every learned scale was set to before.
"""

import json
from pathlib import Path

import numpy as np
import torch
from aihwkit.nn import AnalogLinear
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import IdealDevice, SingleRPUConfig
from aihwkit.simulator.parameters import IOParameters, MappingParameter, UpdateParameters
from aihwkit.simulator.parameters.enums import BoundManagementType, PulseType

INPUTS, OUTPUTS, BATCH, OUT_SCALE = 9, 7, 6, 1.25
SPLIT = {"max_input_size": 4, "max_output_size": 3}
WHOLE = {"max_input_size": 512, "max_output_size": 512}
CASES = {
    "split": SPLIT,
    "scaled": {**WHOLE, "weight_scaling_omega": 0.6},
    "scaled_columnwise": {
        **WHOLE,
        "weight_scaling_omega": 0.6,
        "weight_scaling_columnwise": True,
    },
    "learned": {**WHOLE, "learn_out_scaling": True},
    "bias_on_array": {**WHOLE, "digital_bias": False, "weight_scaling_omega": 0.3},
    "everything": {
        **SPLIT,
        "weight_scaling_omega": 0.6,
        "weight_scaling_columnwise": True,
        "learn_out_scaling": True,
        "out_scaling_columnwise": True,
    },
}
IO = {"inp_res": 1 / 14, "out_res": 1 / 62, "out_bound": 4.0, "out_noise": 0.0}


def record(name: str, fields: dict) -> dict[str, np.ndarray]:
    """The arrays of one case."""
    rng = np.random.default_rng(len(name))
    io = IOParameters(**IO, bound_management=BoundManagementType.NONE)
    config = SingleRPUConfig(
        device=IdealDevice(),
        forward=io,
        backward=io,
        update=UpdateParameters(pulse_type=PulseType.NONE),
        mapping=MappingParameter(**fields),
    )
    bias = fields["max_input_size"] >= INPUTS  # Arrays of several tiles do not take theirs over.
    layer = AnalogLinear(INPUTS, OUTPUTS, bias=bias, rpu_config=config)
    w = (0.3 * rng.normal(size=(OUTPUTS, INPUTS))).astype(np.float32)
    b = (0.3 * rng.normal(size=OUTPUTS)).astype(np.float32)
    layer.set_weights(torch.from_numpy(w), torch.from_numpy(b) if bias else None)
    for parameter, values in layer.named_parameters():
        if "out_scaling" in parameter:
            values.data.fill_(OUT_SCALE)
    x = torch.from_numpy(rng.normal(size=(BATCH, INPUTS)).astype(np.float32)).requires_grad_()
    d = torch.from_numpy(rng.normal(size=(BATCH, OUTPUTS)).astype(np.float32))
    optimizer = AnalogSGD(layer.parameters(), lr=0.1)
    optimizer.regroup_param_groups(layer)
    y = layer(x)
    y.backward(d)
    for parameter, values in layer.named_parameters():
        if "out_scaling" in parameter:
            values.grad = None
    optimizer.step()
    after = layer.get_weights(apply_weight_scaling=True)
    kept = {"w": w, "x": x, "d": d, "y": y, "dx": x.grad, "w_after": after[0]}
    if bias:
        kept |= {"b": b, "b_after": after[1]}
    return {n: np.asarray(torch.as_tensor(a).detach(), np.float32) for n, a in kept.items()}


if __name__ == "__main__":
    here = Path(__file__).parent
    arrays, settings = {}, {}
    for case, fields in CASES.items():
        for short, values in record(case, fields).items():
            arrays[f"{case}/{short}"] = values
        settings[case] = {"io": IO, "out_scale": OUT_SCALE, "mapping": fields}
    np.savez_compressed(here / "mapping.npz", **arrays)
    (here / "mapping.json").write_text(json.dumps(settings, indent=1) + "\n")
