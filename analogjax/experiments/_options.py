"""Options that the commands share."""

import dataclasses
from pathlib import Path
from typing import Literal

from flax import linen as nn

from analogjax.devices import SoftBounds
from analogjax.experiments._data import ImageSet, load
from analogjax.experiments._models import network_for
from analogjax.nn import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What to train on, and on which devices.

    Attributes:
      dataset: image set: digits (8 by 8, comes with scikit-learn), mnist or fashion-mnist.
      data_dir: directory of the four IDX files of mnist or fashion-mnist.
      download: fetch these files where no directory is given.
      train_size: use only the first so many training images.
      epochs: passes over the training images.
      batch_size: images in a mini-batch.
      states: conductance states of a device, (w_max - w_min) / dw_min.
      weight_scale: share of an array's range that the largest weight has at the start, the outputs
        being scaled back; the weights as they are if not given.
      seed: seed of weights, devices, sample order and pulses; several runs take those after it.
    """

    dataset: Literal["digits", "mnist", "fashion-mnist"] = "digits"
    data_dir: Path | None = None
    download: bool = False
    train_size: int | None = None
    epochs: int = 24
    batch_size: int = 8
    states: float = 4
    weight_scale: float | None = None
    seed: int = 0

    def record(self) -> dict:
        """The options that decide the outcome, for the summary; where the files lie does not."""
        where = ("data_dir", "download")
        return {name: value for name, value in vars(self).items() if name not in where}

    def images(self) -> ImageSet:
        """The images the options name."""
        return load(self.dataset, self.data_dir, train_size=self.train_size, download=self.download)

    def model(self) -> nn.Module:
        """The network for the images: DigitsNet for digits, else LeNet-5."""
        if self.weight_scale is None:
            return network_for(self.dataset)
        return network_for(self.dataset, mapping=Mapping(weight_scaling_omega=self.weight_scale))

    def device(self) -> SoftBounds:
        """A soft-bounds device of so many states, with all its variation."""
        return SoftBounds.with_states(self.states)
