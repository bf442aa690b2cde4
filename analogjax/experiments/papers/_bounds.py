"""Analog SGD and Tiki-Taka over the range of the devices: Wu et al. 2024, Fig. 5."""

from analogjax.devices import SoftBoundsReference
from analogjax.experiments.papers._images import images_of
from analogjax.experiments.papers._reproduction import (
    Claim,
    Published,
    Reproduction,
    above,
    rising,
)
from analogjax.experiments.papers._two_tiles import (
    QUICK,
    STATIC,
    cells_over,
    draw_over,
    train_network,
)

TAUS = {"dense": (0.7, 0.78, 0.8), "convolutional": (0.6, 0.7, 0.8)}
DW_MIN = 1e-3
PAPER = {"dataset": "mnist", "epochs": 80, "drop_every": 35, "drop_to": 0.1}
PUBLISHED = {
    "dense, digital SGD": Published(98.15, 0.04),
    "dense, analog SGD, tau 0.7": Published(11.35),
    "dense, analog SGD, tau 0.78": Published(97.71, 0.63),
    "dense, analog SGD, tau 0.8": Published(97.78, 0.36),
    "dense, Tiki-Taka, tau 0.7": Published(97.64, 0.17),
    "dense, Tiki-Taka, tau 0.78": Published(97.62, 0.05),
    "dense, Tiki-Taka, tau 0.8": Published(97.50, 0.11),
    "convolutional, digital SGD": Published(99.16, 0.08),
    "convolutional, analog SGD, tau 0.6": Published(88.99, 0.89),
    "convolutional, analog SGD, tau 0.7": Published(92.15, 0.48),
    "convolutional, analog SGD, tau 0.8": Published(93.45, 0.46),
    "convolutional, Tiki-Taka, tau 0.6": Published(98.84, 0.07),
    "convolutional, Tiki-Taka, tau 0.7": Published(98.87, 0.04),
    "convolutional, Tiki-Taka, tau 0.8": Published(98.86, 0.07),
}


def cells(scale):
    task = {"quick": QUICK, "paper": PAPER}[scale]
    networks = {"quick": ("convolutional",), "paper": ("convolutional", "dense")}[scale]
    return cells_over(task, "tau", {network: TAUS[network] for network in networks})


def make(data_dir):
    images = images_of(data_dir)

    def train(tau, **cell):
        device = SoftBoundsReference(dw_min=DW_MIN, w_max=tau, w_min=-tau)
        return train_network(images, device=device, **cell)

    return train


def label(row):
    name = f"{row['network']}, {row['rule']}"
    return name if row["rule"] == "digital SGD" else f"{name}, tau {row['tau']:g}"


def draw(figure, rows):
    draw_over(figure, rows, x="tau", name=r"bounds of the devices $\tau$")


_ANALOG = [f"convolutional, analog SGD, tau {tau:g}" for tau in TAUS["convolutional"]]
_TIKI_TAKA = [f"convolutional, Tiki-Taka, tau {tau:g}" for tau in TAUS["convolutional"]]

REPRODUCTION = Reproduction(
    name="bounds",
    title="Tiki-Taka closes the gap that bounds open for analog SGD",
    source="Wu, Gokmen, Rasch, Chen, NeurIPS 2024 (arXiv:2406.12774), Fig. 5",
    about=(
        "Soft-bounds devices with all their variation, whose bounds are +-tau on average, behind "
        "default converters. The quick scale trains a small convolutional network on 8 by 8 digits "
        "for 12 epochs instead of LeNet-5 and a dense network on MNIST for 80: compare the order."
    ),
    cells=cells,
    make=make,
    static=STATIC,
    label=label,
    value="accuracy",
    unit="%",
    published=PUBLISHED,
    claims=(
        Claim("The wider the bounds, the better is analog SGD.", rising(*_ANALOG)),
        Claim("Tiki-Taka is better than analog SGD at any of them.", above(_TIKI_TAKA, _ANALOG)),
        Claim(
            "Digital SGD is best.",
            above(["convolutional, digital SGD"], [*_ANALOG, *_TIKI_TAKA]),
        ),
    ),
    draw=draw,
    duration={"quick": "three minutes", "paper": "half a day"},
)
