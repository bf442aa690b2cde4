"""What the reproductions of analog SGD beside Tiki-Taka share: networks, rates, reads."""

from typing import Any

import numpy as np
import optax

from analogjax.experiments._models import SigmoidNet, network_for
from analogjax.experiments.papers._images import beside_digital, train_images
from analogjax.experiments.papers._least_squares import draw_lines
from analogjax.nn import Mapping
from analogjax.periphery import AnalogIO
from analogjax.rules import analog_sgd, tiki_taka

BATCH = {"dense": 10, "convolutional": 8}
# Of the published settings, shortened in proportion.
QUICK = {"dataset": "digits", "epochs": 12, "drop_every": 8, "drop_to": 0.1}
STATIC = ("epochs", "drop_every", "drop_to")
DIGITAL_RATE, ANALOG_RATE, FAST_RATE = 0.1, 0.05, 0.01


def train_network(
    images,
    *,
    dataset: str,
    epochs: int,
    drop_every: int,
    drop_to: float,
    network: str,
    rule: str,
    device,
    gamma=0.0,
    seed,
):
    """A whole training under digital SGD, analog SGD or Tiki-Taka, as the authors' scripts have it.

    ``images`` gives the image set of a name. Each step transfers one input line, at the rate of the
    digital parameters. Arrays are read through default converters and have a learned scale of
    their outputs.
    """
    digital = rule == "digital SGD"

    def optimizer(key, steps):
        start = DIGITAL_RATE if digital else ANALOG_RATE
        rate = optax.exponential_decay(start, drop_every * steps, drop_to, staircase=True)
        if digital:
            return optax.with_extra_args_support(optax.sgd(rate))
        if rule == "analog SGD":
            return beside_digital(analog_sgd(rate, device, key=key), rate)
        tt = tiki_taka(FAST_RATE, device, key=key, gamma=gamma, transfer_lr=rate)
        return beside_digital(tt, rate)

    return train_images(
        _model(dataset, network, digital),
        images(dataset),
        optimizer,
        epochs=epochs,
        batch_size=BATCH[network],
        seed=seed,
    )


def cells_over(task: dict[str, Any], name: str, values: dict[str, tuple[float, ...]]):
    """Three seeds of each rule at the values of a network; digital SGD knows none and has 0."""
    return [
        {**task, "network": network, "rule": rule, name: value, "seed": seed}
        for network, own in values.items()
        for rule in ("digital SGD", "analog SGD", "Tiki-Taka")
        for value in (own if rule != "digital SGD" else (0.0,))
        for seed in range(3)
    ]


def draw_over(figure, rows, *, x: str, name: str) -> None:
    """A panel for each network: the accuracy over a name of the cells, a line for each rule."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    for axes, network in zip(
        figure.subplots(1, len(networks), squeeze=False)[0], networks, strict=True
    ):
        own = [row for row in rows if row["network"] == network]
        digital = [100 * row["accuracy"] for row in own if row["rule"] == "digital SGD"]
        if digital:
            axes.axhline(np.mean(digital), color="k", ls="--", label="digital SGD")
        analog = [row for row in own if row["rule"] != "digital SGD"]
        draw_lines(axes, analog, lambda row: row["rule"], x=x, value="accuracy", scale=100)
        axes.set(xlabel=name, ylabel="test accuracy (%)", title=network)
        axes.legend()


def _model(dataset: str, network: str, digital: bool):
    arrays: dict[str, Any] = (
        {} if digital else {"io": AnalogIO(), "mapping": Mapping(learn_out_scaling=True)}
    )
    return SigmoidNet(**arrays) if network == "dense" else network_for(dataset, **arrays)
