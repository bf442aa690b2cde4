"""Residual networks whose last stages are on arrays: Li et al. 2025, Tables 2, 9 and 10."""

from typing import Any

import jax
import optax

from analogjax.devices import SoftBounds
from analogjax.experiments._augment import cutout, flip, shift
from analogjax.experiments._auto_augment import auto_augment
from analogjax.experiments._resnet import ResNet
from analogjax.experiments.papers._images import draw_accuracies, images_of, train_images
from analogjax.experiments.papers._reproduction import (
    Claim,
    Published,
    Reproduction,
    Values,
    above,
    rising,
)
from analogjax.nn import Analog
from analogjax.nn import linen as ann
from analogjax.rules import (
    Plateau,
    Stages,
    by_path,
    mixed_precision,
    residual_learning,
    tiki_taka,
    tiki_taka_v2,
)

ARRAYS = ("stage[34]_.*/kernel$", "head/kernel$")
BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
GAMMAS = {4: 0.5, 10: 0.5, 16: 0.1}  # That of ten states is not given.
RATE, SMOOTHING = 0.1, 0.1
COLOURS: dict[str, Any] = {  # Mean and standard deviation of the channels.
    "cifar10": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)},
    "cifar100": {"mean": (0.5071, 0.4865, 0.4409), "std": (0.2673, 0.2564, 0.2762)},
    "digits": {"mean": 0.305, "std": 0.376},
}
_NAMES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "digits": "digits"}
QUICK: dict[str, Any] = {
    "dataset": "digits",
    "depth": 10,
    "width": 4,
    "epochs": 12,
    "batch_size": 16,
}
_NUMBERS = {  # v1, v2, mixed precision, residual learning on 4, 6 and 8 tiles.
    ("cifar10", 34, 4): "11.65 .68 87.43 .10 93.31 .04 90.45 .28 92.02 .13 90.65 .09",
    ("cifar10", 34, 16): "58.00 .26 84.30 .09 95.04 .05 92.98 .62 93.29 .64 94.36 .08",
    ("cifar10", 18, 4): "53.83 .14 87.89 .06 92.77 .05 87.35 .08 89.79 .14 90.45 .09",
    ("cifar10", 18, 10): "84.18 .06 89.17 .11 93.45 .08 90.76 .06 91.07 .06 90.88 .05",
    ("cifar100", 34, 4): "9.75 2.47 11.28 .62 70.25 .61 63.26 .45 68.46 .23 69.63 .40",
    ("cifar100", 34, 16): "26.69 .17 65.17 .36 73.16 .07 68.11 .35 69.62 .53 72.20 .11",
    ("cifar100", 18, 4): "14.97 1.93 27.91 .65 64.08 .44 58.36 .36 59.68 .33 60.62 .24",
}
RULES = (
    ("Tiki-Taka v1", 2),
    ("Tiki-Taka v2", 2),
    ("mixed precision", 1),
    ("residual learning", 4),
    ("residual learning", 6),
    ("residual learning", 8),
)
DIGITAL, STILL = "digital SGD", "arrays held still"


def _name(dataset: str, depth: int, states: int, rule: str, num_tiles: int) -> str:
    end = f"{rule}, {num_tiles} tiles" if rule == "residual learning" else rule
    if rule not in (DIGITAL, STILL):
        end = f"{states} states, {end}"
    return f"{_NAMES[dataset]}, ResNet-{depth}, {end}"


def _published() -> dict[str, Published]:
    found = {}
    for task, line in _NUMBERS.items():
        numbers = list(map(float, line.split()))
        for rule, mean, spread in zip(RULES, numbers[::2], numbers[1::2], strict=True):
            found[_name(*task, *rule)] = Published(mean, spread)
    return found


PUBLISHED = _published()


def _task(dataset: str, depth: int) -> dict[str, Any]:
    epochs = {"cifar10": 200, "cifar100": 400}[dataset]
    return {"dataset": dataset, "depth": depth, "width": 64, "epochs": epochs, "batch_size": 128}


def cells(scale):
    rules = ((DIGITAL, 0), (STILL, 1), *RULES)
    if scale == "quick":
        tasks = [(QUICK, 4, tuple(rule for rule in rules if rule[1] not in (4, 8)))]
    else:
        tasks = [(_task(dataset, depth), states, rules) for dataset, depth, states in _NUMBERS]
    made = [
        {
            **task,
            "states": states,
            "rule": rule,
            "num_tiles": num_tiles,
            "settings": "staged" if scale == "quick" and num_tiles > 2 else "paper",
            "seed": seed,
        }
        for task, states, own in tasks
        for rule, num_tiles in own
        for seed in range(3)
    ]
    # Without arrays in use the number of states is no matter.
    first = {label(cell): cell["states"] for cell in reversed(made)}
    return [cell for cell in made if cell["states"] == first[label(cell)]]


def make(data_dir):
    images = images_of(data_dir)

    def cell_training(
        dataset, depth, width, epochs, batch_size, states, rule, num_tiles, settings, seed
    ):
        data = images(dataset)
        model = ann.convert(
            ResNet(
                classes=int(data.train_labels.max()) + 1,
                width=width,
                blocks=BLOCKS[depth],
                **COLOURS[dataset],
            ),
            [(pattern, Analog()) for pattern in ARRAYS],
        )
        return train_images(
            model,
            data,
            lambda key, steps: _optimizer(rule, states, num_tiles, settings, key, steps, epochs),
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            augment=None if dataset == "digits" else augment,
            label_smoothing=SMOOTHING,
        )

    return cell_training


def augment(key: jax.Array, images: jax.Array) -> jax.Array:
    """Shifted, mirrored, under a policy of AutoAugment, and partly erased."""
    keys = jax.random.split(key, 4)
    images = auto_augment(keys[2], flip(keys[1], shift(keys[0], images)))
    return cutout(keys[3], images)


def _optimizer(rule, states, num_tiles, settings, key, steps, epochs):
    """The settings of the publication; the rates of Tiki-Taka's transfers follow the digital one.

    The schedule falls tenfold after half of the epochs, at all of them after every hundred.
    """
    drop = min(100, epochs // 2)
    rate = optax.exponential_decay(RATE, drop * steps, 0.1, staircase=True)
    digital = optax.sgd(rate)
    device = SoftBounds.with_states(states)
    if rule == DIGITAL:
        return optax.with_extra_args_support(digital)
    match rule:
        case "arrays held still":
            analog = optax.set_to_zero()
        case "mixed precision":
            analog = mixed_precision(rate, device, key=key)
        case "Tiki-Taka v1":
            analog = tiki_taka(0.1, device, key=key, transfer_lr=rate)
        case "Tiki-Taka v2":
            analog = tiki_taka_v2(0.1, device, key=key, transfer_lr=rate)
        case "residual learning" if settings == "staged":
            analog = _staged(device, key, num_tiles, steps * epochs, GAMMAS[states])
        case "residual learning":
            sources = range(1, num_tiles)
            analog = residual_learning(
                rate,
                device,
                key=key,
                num_tiles=num_tiles,
                gamma=GAMMAS[states],
                transfer_lr=[0.3 * 1.2**n for n in sources],
                transfer_every=[3 * 2 ** (num_tiles - 1 - n) for n in sources],
                warm_start=Plateau(window=steps, threshold=1e-4, patient_threshold=1e-4),
                warm_start_every=3,
            )
    return by_path(dict.fromkeys(ARRAYS, analog), otherwise=digital)


def _staged(device, key, num_tiles: int, all_steps: int, gamma: float):
    """Stages of equal length, all from the last tile, four lines every four steps."""
    return residual_learning(
        0.1,
        device,
        key=key,
        num_tiles=num_tiles,
        gamma=gamma,
        transfer_lr=0.1,
        transfer_every=4,
        reads_per_transfer=4,
        warm_start=Stages(all_steps // (num_tiles - 1)),
        chain=False,
    )


def label(row):
    return _name(row["dataset"], row["depth"], row["states"], row["rule"], row["num_tiles"])


def draw(figure, rows):
    tasks = list(dict.fromkeys(label(row).rpartition(", ResNet")[0] for row in rows))
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        own = [row for row in rows if label(row).startswith(f"{task}, ")]
        draw_accuracies(axes, own, lambda row: label(row).partition(", ")[2])
        axes.set_title(task)
        axes.legend(fontsize="x-small")


def _ordered(values: Values) -> bool:
    """Whether v1, v2, residual learning at its best and mixed precision are ever better."""
    verdicts = []
    for dataset, depth, states in (("digits", QUICK["depth"], 4), *_NUMBERS):
        v1, v2, mixed, *several = (_name(dataset, depth, states, *rule) for rule in RULES)
        run = [name for name in several if name in values]
        if run:
            best = max(run, key=lambda name: values[name].mean())
            verdicts.append(rising(v1, v2, best, mixed)(values))
    if not verdicts:
        raise KeyError("residual learning")
    return all(verdicts)


def _above_still(values: Values) -> bool:
    """Whether every rule ends above the arrays that its task has been trained around."""
    verdicts = []
    for still in (name for name in values if name.endswith(STILL)):
        task = still.removesuffix(STILL)
        rules = [n for n in values if n.startswith(task) and not n.endswith((STILL, DIGITAL))]
        if rules:
            verdicts.append(above(rules, [still])(values))
    if not verdicts:
        raise KeyError(STILL)
    return all(verdicts)


REPRODUCTION = Reproduction(
    name="resnet",
    title="Residual networks whose last stages are on arrays",
    source="Li et al., arXiv:2510.02516, Tables 2, 9 and 10",
    about=(
        "ResNet-18 and ResNet-34 on CIFAR-10 and CIFAR-100, the third and fourth stage and the "
        "head on soft-bounds devices with all their variation. Batch 128, rate 0.1, a tenth of it "
        "every hundred epochs, labels smoothed by 0.1; images shifted, mirrored, under a policy of "
        "AutoAugment and partly erased. Residual learning has periods of 3 * 2^k and rates of "
        "0.3 * 1.2^n; its gamma at ten states, which is not given, is 0.5. --data-dir holds the "
        "binary files or archives of JPEG files; --only CIFAR-10 leaves the other set out. The "
        "quick scale trains ten layers of width 4 on 8 by 8 digits for 12 epochs, residual "
        "learning in stages of equal length, four lines every four steps: compare the order, and "
        "all with arrays that are held still at their random start while the digital layers learn "
        "around them, which the publication does not show."
    ),
    cells=cells,
    make=make,
    static=(
        "dataset",
        "depth",
        "width",
        "epochs",
        "batch_size",
        "states",
        "rule",
        "num_tiles",
        "settings",
    ),
    label=label,
    value="accuracy",
    unit="%",
    published=PUBLISHED,
    claims=(
        Claim(
            "Tiki-Taka v1, v2, residual learning at its best, mixed precision: ever better.",
            _ordered,
        ),
        Claim("Every rule ends above arrays that are held still.", _above_still),
    ),
    draw=draw,
    duration={"quick": "ten minutes", "paper": "a year"},
)
