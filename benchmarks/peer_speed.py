"""Times networks in aihwkit; started by speed.py with an interpreter that has it.

Usage: PYTHON benchmarks/peer_speed.py DATA

DATA is an npz file with the inputs and targets of each network. Each line on the standard input
is a job in JSON (network, batch, tiles, and the rates); each line of the output the samples/s of
training it a while longer. Reads are perfect, so that only products and pulses are paid for.
"""

import json
import sys
import time

import numpy as np
import torch
from aihwkit.nn import AnalogConv2d, AnalogLinear, AnalogSequential
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import MappingParameter, SingleRPUConfig, UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import TransferCompound
from aihwkit.simulator.configs.devices import SoftBoundsDevice
from aihwkit.simulator.parameters import IOParameters
from torch import nn

SECONDS = 0.3  # Least length of one timing.


def config(job: dict) -> SingleRPUConfig | UnitCellRPUConfig:
    """An array of ten-state devices, or a chain of several that pass on what they gather."""
    perfect = IOParameters(is_perfect=True)
    # No limit to the size of an array: each layer is one, as in analogjax.
    mapping = MappingParameter(digital_bias=True, max_input_size=0, max_output_size=0)
    common = {"forward": perfect, "backward": perfect, "mapping": mapping}
    device = SoftBoundsDevice(dw_min=0.2, w_max=1.0, w_min=-1.0)
    tiles = job["tiles"]
    if tiles == 1:
        return SingleRPUConfig(device=device, **common)
    chain = TransferCompound(
        unit_cell_devices=[device] * tiles,
        gamma_vec=[job["gamma"] ** (tiles - 1 - k) for k in range(tiles)],
        transfer_every_vec=[job["transfer_every"] ** (k + 1) for k in range(tiles - 1)] + [0],
        units_in_mbatch=True,
        fast_lr=job["rate"],
        transfer_lr=job["transfer_lr"],
        scale_transfer_lr=False,
        transfer_forward=perfect,
    )
    return UnitCellRPUConfig(device=chain, **common)


def lenet(job: dict) -> nn.Module:
    return AnalogSequential(
        AnalogConv2d(1, 16, 5, rpu_config=config(job)),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Tanh(),
        AnalogConv2d(16, 32, 5, rpu_config=config(job)),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Tanh(),
        nn.Flatten(),
        AnalogLinear(512, 128, rpu_config=config(job)),
        nn.Tanh(),
        AnalogLinear(128, 10, rpu_config=config(job)),
    )


def sigmoid(job: dict) -> nn.Module:
    return AnalogSequential(
        AnalogLinear(784, 256, rpu_config=config(job)),
        nn.Sigmoid(),
        AnalogLinear(256, 128, rpu_config=config(job)),
        nn.Sigmoid(),
        AnalogLinear(128, 10, rpu_config=config(job)),
    )


def layer(job: dict) -> nn.Module:
    return AnalogSequential(AnalogLinear(512, 512, rpu_config=config(job)))


def squared_error(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return 0.5 * ((outputs - y) ** 2).sum(-1).mean()


NETWORKS = {
    "LeNet-5": (lenet, nn.functional.cross_entropy),
    "784-256-128-10": (sigmoid, nn.functional.cross_entropy),
    "512x512": (layer, squared_error),
}


def training(job: dict, x: torch.Tensor, y: torch.Tensor):
    """A generator that trains for a while each time, and gives the samples/s."""
    build, loss_fn = NETWORKS[job["network"]]
    model, batch = build(job), job["batch"]
    optimizer = AnalogSGD(model.parameters(), lr=job["rate"])
    optimizer.regroup_param_groups(model)
    first = 0
    while True:
        begin, steps = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - begin) < SECONDS:
            optimizer.zero_grad()
            part = slice(first, first + batch)
            loss_fn(model(x[part]), y[part]).backward()
            optimizer.step()
            steps += 1
            first = first + batch if first + 2 * batch <= len(x) else 0
        yield steps * batch / elapsed


def as_torch(part: np.ndarray) -> torch.Tensor:
    """Images with their channels first, labels as long integers."""
    if part.ndim == 4:
        part = np.ascontiguousarray(np.moveaxis(part, -1, 1))
    return torch.from_numpy(part if part.dtype == np.float32 else part.astype(np.int64))


def main() -> None:
    data = {name: as_torch(part) for name, part in np.load(sys.argv[1]).items()}
    torch.manual_seed(0)
    trainings = {}
    for line in sys.stdin:
        if line not in trainings:
            job = json.loads(line)
            x, y = data[f"{job['network']} x"], data[f"{job['network']} y"]
            trainings[line] = training(job, x, y)
            next(trainings[line])  # The first steps are slower.
        print(next(trainings[line]), flush=True)


if __name__ == "__main__":
    main()
