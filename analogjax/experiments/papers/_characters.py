"""A transformer for text on four-state devices: Li et al. 2025, Table 12."""

import functools
from typing import Any

import jax
import optax

from analogjax.devices import SoftBounds
from analogjax.experiments._text import load_text
from analogjax.experiments._training import make_training, whole_training
from analogjax.experiments._transformer import CharTransformer
from analogjax.experiments.papers._reproduction import (
    Claim,
    Published,
    Reproduction,
    falling,
    within,
)
from analogjax.nn import Analog, Mapping
from analogjax.nn import linen as ann
from analogjax.periphery import AnalogIO
from analogjax.rules import (
    Stages,
    buffered_residual_learning,
    by_path,
    mixed_precision,
    residual_learning,
    tiki_taka,
    tiki_taka_v2,
)

DIGITAL, STILL = "all digital, Adam", "arrays held still"
STATES, TILES, BUFFERED_TILES = 4, 4, 6
ARRAYS = "kernel$"
MAPPING = Mapping(weight_scaling_omega=0.5)
TASKS: dict[str, dict[str, Any]] = {
    "quick": {"width": 32, "heads": 2, "layers": 1, "length": 32, "batch_size": 16, "steps": 2400},
    "paper": {
        "width": 384,
        "heads": 6,
        "layers": 6,
        "length": 256,
        "batch_size": 64,
        "steps": 5000,
    },
}
RESIDUAL = f"residual learning, {TILES} tiles"
BUFFERED = f"buffered residual learning, {BUFFERED_TILES} tiles"
SLOW = "mixed precision, rate 0.03"
PUBLISHED = {
    "Tiki-Taka v1": Published(3.0336),
    "Tiki-Taka v2": Published(2.6137),
    "mixed precision": Published(2.7213),
    RESIDUAL: Published(2.5971),
}


def cells(scale):
    names = (*PUBLISHED, SLOW, BUFFERED, STILL, DIGITAL)
    return [{**TASKS[scale], "rule": name, "seed": seed} for name in names for seed in range(3)]


def make(data_dir):
    text = functools.cache(functools.partial(load_text, data_dir))

    def cell_training(width, heads, layers, length, batch_size, steps, rule, seed):
        windows, letters = text(length)
        digital = CharTransformer(len(letters), width, heads, layers)
        epoch_steps = len(windows.train_labels) // batch_size
        epochs = max(1, round(steps / epoch_steps))
        analog = Analog(io=AnalogIO(), io_backward=AnalogIO(), mapping=MAPPING)
        model = digital if rule == DIGITAL else ann.convert(digital, [(ARRAYS, analog)])
        training = make_training(
            model,
            lambda key: _optimizer(rule, key, epochs * epoch_steps),
            windows,
            batch_size=batch_size,
        )
        metrics = whole_training(training, jax.random.key(seed), epochs)
        return {"loss": metrics.test_loss[-1], "losses": metrics.test_loss}

    return cell_training


def _optimizer(rule: str, key, steps: int):
    """Adam for what is digital; the rates of the arrays are ours, as none are published."""
    adam = optax.adam(optax.linear_schedule(3e-3, 3e-4, steps))
    device = SoftBounds.with_states(STATES)
    if rule == DIGITAL:
        return optax.with_extra_args_support(adam)
    match rule:
        case "arrays held still":
            analog = optax.set_to_zero()
        case "mixed precision":
            analog = mixed_precision(1.0, device, key=key)
        case "mixed precision, rate 0.03":
            analog = mixed_precision(0.03, device, key=key)
        case "Tiki-Taka v1":
            analog = tiki_taka(100.0, device, key=key, transfer_lr=0.00003)
        case "Tiki-Taka v2":
            analog = tiki_taka_v2(100.0, device, key=key, transfer_lr=0.03)
        case "residual learning, 4 tiles":
            analog = residual_learning(
                30.0,
                device,
                key=key,
                num_tiles=TILES,
                gamma=0.25,
                transfer_lr=0.003,
                transfer_every=2,
                reads_per_transfer=None,
                warm_start=Stages(steps // (TILES - 1)),
                chain=False,
            )
        case "buffered residual learning, 6 tiles":
            analog = buffered_residual_learning(
                100.0,
                device,
                key=key,
                num_tiles=BUFFERED_TILES,
                gamma=0.4,
                transfer_lr=0.02,
                reads_per_transfer=None,
                warm_start=Stages(steps // (BUFFERED_TILES - 1)),
            )
    return by_path({ARRAYS: analog}, otherwise=adam)


def label(row):
    return row["rule"]


def draw(figure, rows):
    axes = figure.subplots()
    names = list(dict.fromkeys(map(label, rows)))
    for place, name in enumerate(names):
        own = [row["loss"] for row in rows if label(row) == name]
        axes.plot(own, [place] * len(own), ".", color="0.6")
        axes.plot(sum(own) / len(own), place, "o", color="C0")
        if rows[0]["layers"] == TASKS["paper"]["layers"] and name in PUBLISHED:
            axes.plot(PUBLISHED[name].value, place, "kx")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="loss of the next letter, in nats", title="small dots: seeds; large: mean")
    axes.margins(0.1, 0.15)
    axes.grid(alpha=0.3)


REPRODUCTION = Reproduction(
    name="characters",
    title="A transformer for text on four-state devices",
    source="Li et al., arXiv:2510.02516, Table 12",
    about=(
        "A transformer that reads letter by letter: six layers of width 384 and six heads, every "
        "kernel on four-state devices read through default converters, layer norms, embeddings and "
        "biases digital under Adam; the loss on the last tenth of the text. The text is the file "
        "that --data-dir names, or the help topics of Python; that of the publication is "
        "Shakespeare's, so that its numbers are beside another text's unless you give it that. "
        "Rates are ours, as none are published: for each rule the best found at the quick scale "
        "with seed 0. Mixed precision sums the gradient of each weight in a digital number, where "
        "residual learning has devices of four states to average in; at a thirtieth of its best "
        "rate, where it learns little, it ends level with residual learning. With such a number "
        "for the reads of the last tile (not published), all of its lines read at every "
        "mini-batch, residual learning is shown beside, as buffered. Arrays held still show what "
        "the digital layers learn alone; "
        "Tiki-Taka v1 adds nothing to that. Tiki-Taka v2 and residual learning are as close here "
        "as in the publication, closer than two seeds. The quick scale has one layer of width 32 "
        "and 2400 mini-batches of 16 windows of 32 letters: compare the order."
    ),
    cells=cells,
    make=make,
    static=("width", "heads", "layers", "length", "batch_size", "steps"),
    label=label,
    value="loss",
    published=PUBLISHED,
    claims=(
        Claim(
            "Tiki-Taka v1, v2, residual learning: ever better.",
            falling("Tiki-Taka v1", "Tiki-Taka v2", RESIDUAL),
        ),
        Claim(
            "Under residual learning four tiles learn: the loss is less than of arrays held still.",
            falling(STILL, RESIDUAL),
        ),
        Claim(
            "Residual learning is better than mixed precision.",
            falling("mixed precision", RESIDUAL),
        ),
        Claim(
            "Buffered residual learning is within 0.05 of mixed precision.",
            within(("mixed precision", BUFFERED), 0.05),
        ),
    ),
    draw=draw,
    duration={"quick": "a quarter of an hour", "paper": "some weeks"},
)
