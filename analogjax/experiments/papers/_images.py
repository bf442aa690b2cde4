"""What the reproductions on images share: one training, and how accuracies are drawn."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import jax
import numpy as np
import optax

from analogjax.experiments._data import ImageSet, load
from analogjax.experiments._sweep import Row
from analogjax.experiments._training import make_training, whole_training
from analogjax.experiments.papers._reproduction import Published
from analogjax.nn import labels

Optimizer: TypeAlias = optax.GradientTransformationExtraArgs
_NONE: Mapping[str, Published] = {}


def images_of(data_dir: Path | None) -> Callable[[str], ImageSet]:
    """From the name of an image set to the images in a directory, each set read once."""
    return functools.cache(lambda dataset: load(dataset, data_dir))


def beside_digital(rule: Optimizer, digital_rate: optax.ScalarOrSchedule) -> Optimizer:
    """A rule for the kernels, and plain SGD for the biases, which are digital."""
    return optax.partition({"analog": rule, "digital": optax.sgd(digital_rate)}, labels)


def train_images(
    model,
    data: ImageSet,
    optimizer: Callable[[jax.Array, int], Optimizer],
    *,
    epochs: int,
    batch_size: int,
    seed,
    **options,
) -> dict[str, jax.Array]:
    """A whole training: the last test accuracy, and what each epoch reported.

    ``optimizer`` is made from a key and the number of steps in an epoch; ``options`` are those of
    :func:`analogjax.experiments.make_training`.
    """
    steps = len(data.train_labels) // batch_size
    training = make_training(
        model, lambda key: optimizer(key, steps), data, batch_size=batch_size, **options
    )
    metrics = whole_training(training, jax.random.key(seed), epochs)
    return {
        "accuracy": metrics.test_accuracy[-1],
        "accuracies": metrics.test_accuracy,
        "losses": metrics.train_loss,
        "pulses": metrics.pulses[-1],
    }


def draw_accuracies(
    axes, rows: list[Row], label, *, beside: Mapping[str, Published] = _NONE, style=lambda row: {}
) -> None:
    """One curve for each label over the epochs: the mean of the seeds, and their range.

    Published accuracies ``beside`` them, by label, are crosses at the end; ``style`` says how the
    line of a row looks.
    """
    for name in dict.fromkeys(label(row) for row in rows):
        line_rows = [row for row in rows if label(row) == name]
        own = 100 * np.array([row["accuracies"] for row in line_rows])
        epochs = np.arange(1, own.shape[1] + 1)
        (line,) = axes.plot(epochs, own.mean(axis=0), label=name, **style(line_rows[0]))
        axes.fill_between(
            epochs, own.min(axis=0), own.max(axis=0), color=line.get_color(), alpha=0.2, lw=0
        )
        if name in beside:
            axes.plot(epochs[-1], beside[name].value, "x", color=line.get_color())
    axes.set(xlabel="epoch", ylabel="test accuracy (%)")
    axes.grid(alpha=0.3)


def add_legends(*panels) -> None:
    """A small legend in each of the panels that show something."""
    for axes in panels:
        if axes.lines:
            axes.legend(fontsize="x-small", loc="lower right")
