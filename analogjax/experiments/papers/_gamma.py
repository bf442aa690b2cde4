"""The significance of a tile relative to the one before: Li et al. 2025, Figs. 7 and 11."""

from analogjax.devices import SoftBounds
from analogjax.experiments.papers._images import beside_digital, images_of
from analogjax.experiments.papers._least_squares import draw_lines
from analogjax.experiments.papers._multi_tile import (
    BOUNDS,
    SHARES,
    digital_rate,
    mapping_of,
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

GAMMAS = (0.1, 0.25, 0.5, 0.7, 0.9)
# Read off the figures, by states and tiles.
_NUMBERS = {
    (4, 4): (37, 70, 65, 11, 10),
    (4, 6): (85, 88, 81, 55, 18),
    (10, 4): (87, 91, 81, 73, 43),
    (10, 6): (89, 93, 98, 82, 8),
}


def _name(states, num_tiles, gamma) -> str:
    return f"{states:g} states, {num_tiles} tiles, gamma {gamma:g}"


PUBLISHED = {
    _name(*both, gamma): Published(float(number))
    for both, numbers in _NUMBERS.items()
    for gamma, number in zip(GAMMAS, numbers, strict=True)
}


def cells(scale):
    settings = {"quick": "tuned", "paper": "GPU code"}[scale]
    task = task_of(scale, 16)
    return [
        {
            **task,
            "settings": settings,
            "num_tiles": num_tiles,
            "states": float(states),
            "tau": 1.0 if scale == "quick" else BOUNDS[states],
            "gamma": gamma,
            "seed": seed,
        }
        for states, num_tiles in _NUMBERS
        for gamma in GAMMAS
        for seed in range(3)
    ]


def make(data_dir):
    images = images_of(data_dir)

    def cell_training(dataset, epochs, settings, num_tiles, states, tau, gamma, seed):
        device = SoftBounds.with_states(states, w_max=tau, w_min=-tau)

        def optimizer(key, steps):
            rate = digital_rate(steps)
            share = SHARES[dataset]
            rule = residual_of(settings, device, key, num_tiles, rate, steps, epochs, gamma, share)
            return beside_digital(rule, rate)

        mapping = mapping_of(settings)
        return train(images, dataset, optimizer, epochs=epochs, seed=seed, mapping=mapping)

    return cell_training


def label(row):
    return _name(row["states"], row["num_tiles"], row["gamma"])


def draw(figure, rows):
    panels = figure.subplots(1, 2, sharey=True)
    for axes, states in zip(panels, (4, 10), strict=True):
        own = [row for row in rows if row["states"] == states]
        draw_lines(
            axes, own, lambda r: f"{r['num_tiles']} tiles", x="gamma", value="accuracy", scale=100
        )
        for num_tiles, color in ((4, "C0"), (6, "C1")):
            axes.plot(GAMMAS, _NUMBERS[states, num_tiles], "x", color=color)
        axes.set(xlabel=r"$\gamma$", title=f"{states} states")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("test accuracy (%)")
    panels[0].legend(title="crosses: published")


def _more_tiles_help(values: Values) -> bool:
    """Whether six tiles reach more than four at their best gammas."""
    best = {both: max(values[_name(*both, gamma)].mean() for gamma in GAMMAS) for both in _NUMBERS}
    return all(best[states, 6] > best[states, 4] for states in (4, 10))


REPRODUCTION = Reproduction(
    name="gamma",
    title="The significance of a tile relative to the one before",
    source="Li et al., arXiv:2510.02516, Figs. 7 and 11",
    about=(
        "Residual learning of LeNet-5 on MNIST over gamma, at the published code's settings and "
        "with the bounds that it names its checkpoints after; the published numbers are read off "
        "the figures. The quick scale trains a small network on 8 by 8 digits for 16 epochs with "
        "the tuned settings of multi-tile and bounds of +-1: compare the shape."
    ),
    cells=cells,
    make=make,
    static=("epochs", "num_tiles"),
    label=label,
    value="accuracy",
    unit="%",
    published=PUBLISHED,
    claims=(
        Claim(
            "The best gamma lies between 0.1 and 0.9.",
            best_inside(*([_name(*both, gamma) for gamma in GAMMAS] for both in _NUMBERS)),
        ),
        Claim("At its best gamma, six tiles reach more than four.", _more_tiles_help),
    ),
    draw=draw,
    duration={"quick": "seven minutes", "paper": "a day"},
)
