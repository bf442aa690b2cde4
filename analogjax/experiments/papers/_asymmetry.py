"""The bounds of the devices under residual learning: Li et al. 2025, Fig. 7, left."""

from analogjax.devices import SoftBounds
from analogjax.experiments.papers._images import beside_digital, images_of
from analogjax.experiments.papers._least_squares import draw_lines
from analogjax.experiments.papers._multi_tile import (
    SHARES,
    digital_rate,
    residual_of,
    task_of,
    train,
)
from analogjax.experiments.papers._reproduction import (
    Claim,
    Published,
    Reproduction,
    Values,
    best_inside,
)

TILES = 8
TAUS = (0.1, 0.3, 0.5, 1.0, 1.2)
_NUMBERS = {10: (94.8, 97.6, 96.5, 96.1, 93.4), 4: (89.5, 92.8, 93.7, 90.0, 89.0)}


def _name(states, tau) -> str:
    return f"{states:g} states, tau {tau:g}"


PUBLISHED = {
    _name(states, tau): Published(number)
    for states, numbers in _NUMBERS.items()
    for tau, number in zip(TAUS, numbers, strict=True)
}


def cells(scale):
    settings = {"quick": "tuned", "paper": "GPU code"}[scale]
    task = task_of(scale, 24)
    return [
        {**task, "settings": settings, "states": float(states), "tau": tau, "seed": seed}
        for states in _NUMBERS
        for tau in TAUS
        for seed in range(3)
    ]


def make(data_dir):
    images = images_of(data_dir)

    def cell_training(dataset, epochs, settings, states, tau, seed):
        device = SoftBounds.with_states(states, w_max=tau, w_min=-tau)

        def optimizer(key, steps):
            rate = digital_rate(steps)
            share = SHARES[dataset]
            rule = residual_of(settings, device, key, TILES, rate, steps, epochs, share=share)
            return beside_digital(rule, rate)

        return train(images, dataset, optimizer, epochs=epochs, seed=seed)

    return cell_training


def label(row):
    return _name(row["states"], row["tau"])


def draw(figure, rows):
    axes = figure.subplots()
    draw_lines(
        axes, rows, lambda r: f"{r['states']:g} states", x="tau", value="accuracy", scale=100
    )
    for color, numbers in zip(("C0", "C1"), _NUMBERS.values(), strict=True):
        axes.plot(TAUS, numbers, "x", color=color)
    axes.set(xlabel=r"$\tau$", ylabel="test accuracy (%)")
    axes.grid(alpha=0.3)
    axes.legend(title="crosses: published")


def _more_states_help(values: Values) -> bool:
    return all(values[_name(10, tau)].mean() > values[_name(4, tau)].mean() for tau in TAUS)


REPRODUCTION = Reproduction(
    name="asymmetry",
    title="The bounds of the devices under residual learning",
    source="Li et al., arXiv:2510.02516, Fig. 7",
    about=(
        "Residual learning of LeNet-5 on MNIST with eight tiles at the published code's settings, "
        "over the bounds +-tau of the devices: the narrower, the more a step depends on the "
        "weight. The published numbers are read off the figure. The quick scale trains a small "
        "network on 8 by 8 digits for 24 epochs with the tuned settings of multi-tile, the weights "
        "as they are, since narrow bounds have no room for scaled ones: compare the shape."
    ),
    cells=cells,
    make=make,
    static=("epochs",),
    label=label,
    value="accuracy",
    unit="%",
    published=PUBLISHED,
    claims=(
        Claim(
            "The best bounds are neither the narrowest nor the widest.",
            best_inside(*([_name(states, tau) for tau in TAUS] for states in _NUMBERS)),
        ),
        Claim("Ten states reach more than four at any bounds.", _more_states_help),
    ),
    draw=draw,
    duration={"quick": "three minutes", "paper": "a day"},
)
