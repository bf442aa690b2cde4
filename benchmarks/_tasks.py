"""What the benchmarks train: three networks with their data, and the optimizers they compare."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax
from flax import linen as nn

import analogjax
from analogjax.devices import Device, SoftBounds
from analogjax.experiments._data import load
from analogjax.experiments._models import LeNet5, SigmoidNet, torch_uniform
from analogjax.nn import labels
from analogjax.nn import linen as ann
from analogjax.pulses import PulseScheme

DEVICE = SoftBounds.with_states(10)  # With all its variation.
GAMMA, TRANSFER_LR, TRANSFER_EVERY = 0.5, 0.1, 4


class Task(NamedTuple):
    """A network and what it is to learn.

    Attributes:
      name: what tables call it.
      model: a linen model of layers of analogjax.nn.linen.
      x: inputs, samples first.
      y: labels or targets.
      loss: from outputs and y to a mean over samples.
      rate: learning rate for each sample of a mini-batch. The loss being a mean, the rate of the
        optimizer is this times the mini-batch, so that a sample sends as many pulses whatever the
        mini-batch.
    """

    name: str
    model: nn.Module
    x: np.ndarray
    y: np.ndarray
    loss: Callable
    rate: float


def cross_entropy(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def squared_error(outputs, y):
    return 0.5 * ((outputs - y) ** 2).sum(-1).mean()


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Digits of 8 by 8, each pixel drawn three times as wide and high, in a frame: 28 by 28."""
    data = load("digits", None, train_size=None, download=False)
    images = np.kron(np.asarray(data.train_images)[..., 0], np.ones((1, 3, 3), np.float32))
    return np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None], np.asarray(data.train_labels)


def lenet() -> Task:
    """LeNet-5 on the digits; 0.1 for eight samples, the rate of the MNIST run for the record."""
    return Task("LeNet-5", LeNet5(), *digits(), cross_entropy, 0.1 / 8)


def sigmoid() -> Task:
    """The dense network on the same digits, at the same rate."""
    x, y = digits()
    return Task("784-256-128-10", SigmoidNet(), x.reshape(len(x), -1), y, cross_entropy, 0.1 / 8)


def layer(size: int) -> Task:
    """A square layer that regresses normal inputs to a random matrix.

    The noise on the targets is large and the rate small, so that errors never die out and are the
    same under every rule: each sample sends about 0.001 pulses to a crosspoint of ten states, as in
    the layers of LeNet-5, whatever the size of the layer.
    """
    rng = np.random.default_rng(0)
    samples = int(np.clip(2**20 // size, 512, 2**14))
    x = rng.standard_normal((samples, size), np.float32)
    matrix = rng.uniform(-1.0, 1.0, (size, size)).astype(np.float32) / math.sqrt(size)
    noise = size / 8 * rng.standard_normal((samples, size), np.float32)
    model = ann.Dense(size, kernel_init=torch_uniform)
    return Task(f"{size}x{size}", model, x, x @ matrix + noise, squared_error, 0.0025 / size)


def digital(rate: float) -> optax.GradientTransformationExtraArgs:
    """Plain SGD."""
    return optax.with_extra_args_support(optax.sgd(rate))


def residual(
    rate: float,
    num_tiles: int,
    pulses: PulseScheme | None = None,
    device: Device = DEVICE,
    key: jax.Array | int = 0,
) -> optax.GradientTransformationExtraArgs:
    """Residual learning, on one tile analog SGD; biases by SGD at the same rate."""
    rule = analogjax.residual_learning(
        rate,
        device,
        key=key,
        num_tiles=num_tiles,
        gamma=GAMMA,
        transfer_lr=TRANSFER_LR,
        transfer_every=TRANSFER_EVERY,
        warm_start=analogjax.Stages(1000),
        chain=False,
        pulses=pulses,
    )
    return optax.partition({"analog": rule, "digital": optax.sgd(rate)}, labels)
