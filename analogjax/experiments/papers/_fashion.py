"""Residual learning on tiles of four states beside other rules: Li et al. 2025, Table 1."""

from typing import Any

from analogjax.experiments.papers._images import draw_accuracies, images_of
from analogjax.experiments.papers._multi_tile import (
    SHARES,
    TILES,
    mapping_of,
    rule_of,
    train,
)
from analogjax.experiments.papers._reproduction import Claim, Published, Reproduction, rising

STATES, BATCH = 4, 16
RATES = {"residual learning": 0.2}  # Of all other rules 0.1.
# That of the publication is 0.2; tuned settings are for the overlapping ranges of 0.5.
GAMMAS = {"paper": 0.2, "tuned": 0.5}
TASKS: dict[str, dict[str, Any]] = {
    "quick": {"dataset": "digits", "epochs": 24, "settings": "tuned"},
    "paper": {"dataset": "fashion-mnist", "epochs": 100, "settings": "paper"},
}
PUBLISHED = {
    "Tiki-Taka v1": Published(10.01, 0.07),
    "Tiki-Taka v2": Published(47.51, 0.91),
    "residual learning, 3 tiles": Published(68.09, 0.49),
    "residual learning, 4 tiles": Published(73.35, 0.13),
    "residual learning, 6 tiles": Published(75.11, 0.07),
    "mixed precision": Published(75.61, 0.69),
}
RULES = {
    "Tiki-Taka v1": 2,
    "Tiki-Taka v2": 2,
    **dict.fromkeys(("mixed precision", "digital SGD"), 1),
}


def cells(scale):
    rules = [("residual learning", n) for n in TILES] + list(RULES.items())
    return [
        {**TASKS[scale], "rule": rule, "num_tiles": num_tiles, "seed": seed}
        for rule, num_tiles in rules
        for seed in range(3)
    ]


def make(data_dir):
    images = images_of(data_dir)

    def cell_training(dataset, epochs, settings, rule, num_tiles, seed):
        def optimizer(key, steps):
            return rule_of(
                rule,
                num_tiles,
                settings,
                key,
                steps,
                epochs,
                states=STATES,
                gamma=GAMMAS[settings],
                start=RATES.get(rule, 0.1),
                fast_rate=0.05,
                share=BATCH / 8 * SHARES[dataset],
            )

        return train(
            images,
            dataset,
            optimizer,
            epochs=epochs,
            seed=seed,
            batch_size=BATCH,
            mapping=mapping_of(settings),
        )

    return cell_training


def label(row):
    several = row["rule"] == "residual learning"
    return f"{row['rule']}, {row['num_tiles']} tiles" if several else row["rule"]


def draw(figure, rows):
    axes = figure.subplots()
    draw_accuracies(axes, rows, label)
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))


REPRODUCTION = Reproduction(
    name="fashion",
    title="Residual learning on several tiles of four-state devices",
    source="Li et al., arXiv:2510.02516, Table 1",
    about=(
        "LeNet-5 on Fashion-MNIST, four-state soft-bounds devices with all their variation, batch "
        "16, 100 epochs, gamma 0.2; the rates and periods of multi-tile, with learning rates of "
        "0.2 under residual learning and 0.1 under the other rules, halved every 30 epochs. The "
        "quick scale trains a small network on 8 by 8 digits for 24 epochs, residual learning with "
        "gamma 0.5 and the tuned settings of multi-tile: compare the order."
    ),
    cells=cells,
    make=make,
    static=("epochs", "num_tiles", "settings"),
    label=label,
    value="accuracy",
    unit="%",
    published=PUBLISHED,
    claims=(
        Claim(
            "The more tiles, the better is residual learning.",
            rising(*(f"residual learning, {n} tiles" for n in TILES)),
        ),
        Claim(
            "Tiki-Taka v1, v2, residual learning on six tiles, mixed precision: ever better.",
            rising("Tiki-Taka v1", "Tiki-Taka v2", "residual learning, 6 tiles", "mixed precision"),
        ),
    ),
    draw=draw,
    duration={"quick": "six minutes", "paper": "a day"},
)
