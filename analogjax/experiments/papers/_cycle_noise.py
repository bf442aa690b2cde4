"""Noise from pulse to pulse, under analog SGD and Tiki-Taka: Wu et al. 2025, Table 5."""

from analogjax.devices import SoftBoundsReference
from analogjax.experiments.papers._images import images_of
from analogjax.experiments.papers._reproduction import (
    Claim,
    Published,
    Reproduction,
    above,
    within,
)
from analogjax.experiments.papers._two_tiles import (
    QUICK,
    STATIC,
    cells_over,
    draw_over,
    train_network,
)

NOISES = (0.1, 0.3, 0.6, 0.9, 1.2)
TAU, STEPS = 0.7, 1200
PAPER = {"dataset": "mnist", "epochs": 30, "drop_every": 15, "drop_to": 0.5}
_NUMBERS = {
    "dense, analog SGD": ((97.22, 0.21), (96.97, 0.12), (96.33, 0.21), (95.99, 0.15), (96.19, 0.2)),
    "dense, Tiki-Taka": ((97.66, 0.04), (97.07, 0.12), (97.7, 0.09), (97.44, 0.15), (96.97, 0.2)),
    "convolutional, analog SGD": (
        (92.68, 0.45),
        (93.36, 0.55),
        (93.07, 0.53),
        (91.87, 0.48),
        (91.57, 0.58),
    ),
    "convolutional, Tiki-Taka": (
        (98.74, 0.07),
        (98.89, 0.05),
        (98.68, 0.09),
        (98.92, 0.02),
        (98.85, 0.04),
    ),
}
PUBLISHED = {
    "dense, digital SGD": Published(98.17, 0.05),
    "convolutional, digital SGD": Published(99.09, 0.04),
} | {
    f"{name}, noise {noise:.0%}": Published(*number)
    for name, numbers in _NUMBERS.items()
    for noise, number in zip(NOISES, numbers, strict=True)
}


def cells(scale):
    task = {"quick": QUICK, "paper": PAPER}[scale]
    networks = {"quick": ("convolutional",), "paper": ("convolutional", "dense")}[scale]
    noises = {"quick": (0.1, 0.6, 1.2), "paper": NOISES}[scale]
    return cells_over(task, "noise", dict.fromkeys(networks, noises))


def make(data_dir):
    images = images_of(data_dir)

    def train(noise, **cell):
        device = SoftBoundsReference(
            dw_min=2 * TAU / STEPS, dw_min_std=noise, w_max=TAU, w_min=-TAU
        )
        return train_network(images, device=device, gamma=0.4, **cell)

    return train


def label(row):
    name = f"{row['network']}, {row['rule']}"
    return name if row["rule"] == "digital SGD" else f"{name}, noise {row['noise']:.0%}"


def draw(figure, rows):
    draw_over(figure, rows, x="noise", name="noise of a pulse, in steps")


_ANALOG = [f"convolutional, analog SGD, noise {noise:.0%}" for noise in (0.1, 0.6, 1.2)]
_TIKI_TAKA = [f"convolutional, Tiki-Taka, noise {noise:.0%}" for noise in (0.1, 0.6, 1.2)]

REPRODUCTION = Reproduction(
    name="cycle-noise",
    title="Noise from pulse to pulse hardly matters",
    source="Wu et al., arXiv:2502.06309, Table 5",
    about=(
        "Soft-bounds devices whose pulses have an additive noise of 10 to 120 % of a step; tau "
        "0.7, which the paper does not give, and 1200 states. Tiki-Taka with a share of 0.4 of the "
        "fast array. The quick scale trains a small convolutional network on 8 by 8 digits for 12 "
        "epochs instead of LeNet-5 and a dense network on MNIST for 30: compare the order."
    ),
    cells=cells,
    make=make,
    static=STATIC,
    label=label,
    value="accuracy",
    unit="%",
    published=PUBLISHED,
    claims=(
        Claim("Tiki-Taka is better than analog SGD at any noise.", above(_TIKI_TAKA, _ANALOG)),
        Claim(
            "Tiki-Taka stays within 1.5 points from the least noise to the most.",
            within(_TIKI_TAKA, 1.5),
        ),
    ),
    draw=draw,
    duration={"quick": "three minutes", "paper": "half a day"},
)
