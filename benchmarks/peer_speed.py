"""Times LeNet-5 with six-tile devices in aihwkit; prints samples/s. For speed.py.

One thread, which is its fastest setting for a network of this size; perfect reads, so that only
products and pulses are paid for. Random images: the cost hardly depends on them.
"""

import statistics
import time

import torch
from aihwkit.nn import AnalogConv2d, AnalogLinear, AnalogSequential
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import MappingParameter, UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import TransferCompound
from aihwkit.simulator.configs.devices import SoftBoundsDevice
from aihwkit.simulator.parameters import IOParameters
from torch import nn

TILES, BATCH, STEPS = 6, 8, 60


def config() -> UnitCellRPUConfig:
    perfect = IOParameters(is_perfect=True)
    chain = TransferCompound(
        unit_cell_devices=[SoftBoundsDevice(dw_min=0.2, w_max=1.0, w_min=-1.0)] * TILES,
        gamma_vec=[0.5 ** (TILES - 1 - k) for k in range(TILES)],
        transfer_every_vec=[2 * 5**k for k in range(TILES - 1)] + [0],
        units_in_mbatch=True,
        fast_lr=0.1,
        transfer_lr=0.1,
        scale_transfer_lr=False,
        transfer_forward=perfect,
    )
    return UnitCellRPUConfig(
        device=chain,
        forward=perfect,
        backward=perfect,
        mapping=MappingParameter(digital_bias=True),
    )


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = AnalogSequential(
        AnalogConv2d(1, 16, 5, rpu_config=config()),
        nn.Tanh(),
        nn.MaxPool2d(2),
        AnalogConv2d(16, 32, 5, rpu_config=config()),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Tanh(),
        nn.Flatten(),
        AnalogLinear(512, 128, rpu_config=config()),
        nn.Tanh(),
        AnalogLinear(128, 10, rpu_config=config()),
    )
    optimizer = AnalogSGD(model.parameters(), lr=0.05)
    optimizer.regroup_param_groups(model)
    images, labels = torch.rand(STEPS, BATCH, 1, 28, 28), torch.randint(0, 10, (STEPS, BATCH))

    def epoch() -> float:
        start = time.perf_counter()
        for x, y in zip(images, labels, strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        return STEPS * BATCH / (time.perf_counter() - start)

    epoch()
    print(statistics.median(epoch() for _ in range(3)))


if __name__ == "__main__":
    main()
