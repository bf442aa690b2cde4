"""Analog training in pipelines: how many stages a rate can stand that learn with stale weights."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from analogjax.devices import SoftBounds
from analogjax.experiments.papers._images import beside_digital, images_of
from analogjax.experiments.papers._reproduction import Claim, Reproduction, Values
from analogjax.nn import linen as ann
from analogjax.pipeline import (
    Asynchronous,
    Sequential,
    Synchronous,
    cut,
    pipeline_training,
    timetable,
)
from analogjax.pulses import ExpectedPulses
from analogjax.rules import analog_sgd

LAYERS, MICRO_BATCHES = 8, 8
RATES = (0.01, 0.03, 0.1)
TAU, STATES = 4.0, 2000.0
PULSES = ExpectedPulses(noise=True)
TASKS = {
    "quick": {"dataset": "digits", "width": 32, "epochs": 12, "batch_size": 4},
    "paper": {"dataset": "mnist", "width": 64, "epochs": 4, "batch_size": 4},
}
COLORS = {1: "k", 2: "C0", 4: "C1", 8: "C3"}
STYLES = {"none": "-", "asynchronous": "-", "synchronous": "--"}
LOSSES = (0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2)  # Marked on the axes.
RULES = ("digital SGD", "analog SGD")
SCHEDULES = {
    "none": Sequential(),
    "synchronous": Synchronous(MICRO_BATCHES),
    "asynchronous": Asynchronous(),
}


def cells(scale):
    seeds = range(3)
    lines = [
        (schedule, stages, rate)
        for schedule in SCHEDULES
        for stages in COLORS
        # Without a pipeline there is one stage.
        if (schedule == "none") == (stages == 1)
        # Synchronous training is that of mini-batches.
        for rate in (RATES[:1] if schedule == "synchronous" else RATES)
    ]
    return [
        {
            **TASKS[scale],
            "rule": rule,
            "schedule": schedule,
            "stages": stages,
            "rate": rate,
            "seed": seed,
        }
        for rule in RULES
        for schedule, stages, rate in lines
        for seed in seeds
    ]


def make(data_dir):
    images = images_of(data_dir)

    def train(dataset, width, epochs, batch_size, rule, schedule, stages, rate, seed):
        data = images(dataset)
        how = SCHEDULES[schedule]
        parts = how.micro_batches
        model, size = _network(width), batch_size * parts
        # So that each sample moves the weights as much.
        optimizer = _optimizer(rule, rate * parts, seed)
        training = pipeline_training(cut(model, stages), lambda stage: optimizer, how, _loss)
        samples = len(data.train_labels) // size * size
        x, y, test_x, test_y = map(jnp.asarray, data)
        key_init, key_order = jax.random.split(jax.random.key(seed))

        def epoch(state, key):
            order = jax.random.permutation(key, len(y))[:samples].reshape(-1, size)
            state, losses = training.run(state, x[order], y[order])
            logits = jnp.asarray(model.apply(state.model_variables(), test_x))
            return state, (losses.mean(), jnp.mean(logits.argmax(-1) == test_y))

        keys = jax.random.split(key_order, epochs)
        start = training.init(key_init, x[:1])
        _, (losses, accuracies) = jax.lax.scan(epoch, start, keys)
        table = timetable(how, stages=stages, mini_batches=samples // size)
        return {
            # They vary from epoch to epoch, as the rate is constant.
            "accuracy": accuracies[-max(epochs // 3, 1) :].mean(),
            "accuracies": accuracies,
            "losses": losses,
            "reads": jnp.float32(table.clocks * LAYERS / stages),
            "samples": jnp.int32(samples),
        }

    return train


def _network(width: int) -> nn.Sequential:
    """Eight dense layers."""
    hidden = [part for _ in range(LAYERS - 1) for part in (ann.Dense(width), nn.tanh)]
    return nn.Sequential([_flat, *hidden, ann.Dense(10)])


def _flat(x):
    return x.reshape(len(x), -1)


def _loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def _optimizer(rule, rate, seed):
    if rule == "digital SGD":
        return optax.sgd(rate)
    device = SoftBounds.with_states(STATES, w_max=TAU, w_min=-TAU)
    return beside_digital(analog_sgd(rate, device, key=seed, pulses=PULSES), rate)


def label(row):
    return _name(row["rule"], row["schedule"], row["stages"], row["rate"])


def _name(rule, schedule, stages, rate) -> str:
    return f"{rule}, {_pipeline(schedule, stages)}, rate {rate:g}"


def _pipeline(schedule, stages) -> str:
    return "no pipeline" if schedule == "none" else f"{schedule}, {stages} stages"


def draw(figure, rows):
    figure.set_size_inches(9, 6.5)
    grid = figure.subplots(2, 3)
    for axes, rule in zip(grid, RULES, strict=True):
        _draw_rule(axes, [row for row in rows if row["rule"] == rule])
        axes[0].set_title(f"{rule}, rate {RATES[0]:g}", fontsize="medium")
        axes[1].set_title("the same over time", fontsize="medium")
        axes[2].set_title(rule, fontsize="medium")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")


def _draw_rule(panels, rows):
    """Losses of the smallest rate over samples and over time, and accuracies over the rates."""
    from matplotlib.ticker import FixedLocator

    over_samples, over_time, over_rates = panels
    for schedule, stages in [(how, stages) for how in SCHEDULES for stages in COLORS]:
        own = [row for row in rows if (row["schedule"], row["stages"]) == (schedule, stages)]
        slow = [row for row in own if row["rate"] == RATES[0]]
        color, style = COLORS[stages], STYLES[schedule]
        if slow:
            losses = np.mean([row["losses"] for row in slow], axis=0)
            epochs = np.arange(1, len(losses) + 1) / 1e3
            name = f"{_pipeline(schedule, stages)} ({_speed_up(slow[0]):.1f} x as fast)"
            over_samples.plot(epochs * slow[0]["samples"], losses, style, color=color, label=name)
            over_time.plot(epochs * slow[0]["reads"], losses, style, color=color)
        if schedule != "synchronous":
            places = sorted({row["rate"] for row in own})
            means = [
                np.mean([100 * row["accuracy"] for row in own if row["rate"] == rate])
                for rate in places
            ]
            over_rates.plot(places, means, "o-", color=color, ms=4)
    over_samples.set(xlabel="thousand samples", ylabel="training loss", yscale="log")
    over_time.set(xlabel="thousand reads of a layer", xscale="log", yscale="log")
    over_rates.set(xlabel="rate", ylabel="test accuracy (%)", xscale="log")
    over_rates.set_xticks(RATES)
    for axis in (over_samples.yaxis, over_time.xaxis, over_time.yaxis, over_rates.xaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    for axes in (over_samples, over_time):
        axes.yaxis.set_major_locator(FixedLocator(LOSSES))
    for axes in panels:
        axes.grid(alpha=0.3)


def _speed_up(row) -> float:
    """How many times as many samples are learned in the same time as without a pipeline."""
    return 2 * LAYERS * row["samples"] / row["batch_size"] / row["reads"]


def _lost(values: Values, rule, stages, rate) -> float:
    """How much an asynchronous pipeline ends below training without one."""
    alone = values[_name(rule, "none", 1, rate)].mean()
    stale = values[_name(rule, "asynchronous", stages, rate)].mean()
    return float(alone - stale)


def _keeps_up(values: Values) -> bool:
    """Whether four stages lose less than two points at the smallest rate, under each rule."""
    return all(_lost(values, rule, 4, RATES[0]) < 2 for rule in RULES)


def _flushes(values: Values) -> bool:
    """Whether synchronous pipelines end within a point of each other, under each rule."""
    ends = [
        [values[_name(rule, "synchronous", stages, RATES[0])].mean() for stages in (2, 4, 8)]
        for rule in RULES
    ]
    return bool(np.all(np.ptp(ends, axis=1) < 1))


def _hurts(values: Values) -> bool:
    """Whether more stages lose more at the largest rate, and eight of them over five points."""
    losses = [[_lost(values, rule, stages, RATES[-1]) for stages in (4, 8)] for rule in RULES]
    return all(eight > four > 0 and eight > 5 for four, eight in losses)


def _hurts_arrays_more(values: Values) -> bool:
    digital, analog = (_lost(values, rule, 8, RATES[-1]) for rule in RULES)
    return analog > digital


REPRODUCTION = Reproduction(
    name="pipeline",
    title="Pipelines learn with stale weights, up to a rate",
    source="the pipelines of arXiv:2410.15155, with settings of our own",
    about=(
        "A dense network of eight layers of 32, cut into stages, on 8 by 8 digits (paper scale: "
        "of 64, on MNIST); micro-batches of 4 samples. Without a pipeline and in an "
        "asynchronous one the network learns from each micro-batch, in a synchronous one from "
        "eight at a time at eight times the rate. Soft-bounds devices of 2000 states and bounds "
        "of +-4 that vary from device to device, with the mean and the spread of their pulses; "
        "biases digital. Time is counted in reads of one layer: a stage makes one pass a clock, "
        "of all its layers. Accuracies are means of the last third of the epochs, each of which "
        "ends with an empty pipeline. On MNIST the largest rate is too large without a pipeline, "
        "too, so that stale weights cost less beside it. The paper's own experiments are not "
        "repeated here."
    ),
    cells=cells,
    make=make,
    static=("dataset", "width", "epochs", "batch_size", "stages"),
    label=label,
    value="accuracy",
    unit="%",
    claims=(
        Claim(
            "A synchronous pipeline ends within a point of the same accuracy with any number of "
            "stages, digital and analog.",
            _flushes,
        ),
        Claim(
            "At the smallest rate an asynchronous pipeline of 4 stages ends within 2 points of "
            "training without a pipeline on as many samples, digital and analog.",
            _keeps_up,
        ),
        Claim(
            "At the largest rate it does not: the more stages, the lower the accuracy, by more "
            "than 5 points with 8.",
            _hurts,
        ),
        Claim("There, stale weights cost analog SGD more than digital SGD.", _hurts_arrays_more),
    ),
    draw=draw,
    duration={"quick": "five minutes", "paper": "an hour and a half"},
)
