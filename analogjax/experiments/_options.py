"""Options that the commands share."""

import dataclasses
from pathlib import Path
from typing import Literal

from flax import linen as nn
from jax.sharding import Mesh

from analogjax.devices import SoftBounds
from analogjax.experiments._checkpoint import Checkpoints
from analogjax.experiments._data import ImageSet, load
from analogjax.experiments._mesh import mesh_of
from analogjax.experiments._models import network_for
from analogjax.experiments._training import check_epochs
from analogjax.experiments._watch import GUARDS, Guards
from analogjax.nn import Mapping

DatasetName = Literal["digits", "mnist", "fashion-mnist", "cifar10"]


def check_seed(seed: int) -> None:
    """Raises a ValueError if this is no seed."""
    if not 0 <= seed < 2**31:
        raise ValueError(f"seed must lie in [0, 2**31), got {seed}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What to train on, and on which devices.

    Attributes:
      dataset: image set: digits (8 by 8, comes with scikit-learn), mnist, fashion-mnist (28 by 28)
        or cifar10 (32 by 32, in colour); the digits train DigitsNet, all others LeNet-5.
      data_dir: directory of the files: the four IDX files of mnist or fashion-mnist; of cifar10 the
        binary files, or train.npz and test.npz of JPEG files.
      download: fetch the files where no directory is given.
      train_size: use only the first so many training images.
      epochs: passes over the training images.
      batch_size: images in a mini-batch.
      states: conductance states of a device, (w_max - w_min) / dw_min.
      weight_scale: share of an array's range that the largest weight has at the start, the outputs
        being scaled back; the weights as they are if not given.
      seed: seed of weights, devices, sample order and pulses; several runs take those after it.
    """

    dataset: DatasetName = "digits"
    data_dir: Path | None = None
    download: bool = False
    train_size: int | None = None
    epochs: int = 24
    batch_size: int = 8
    states: float = 4.0
    weight_scale: float | None = None
    seed: int = 0

    def check(self) -> None:
        """Raises a ValueError for what is wrong whatever the data."""
        check_seed(self.seed)
        check_epochs(self.epochs)

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
        if not self.weight_scale > 0:
            raise ValueError(f"weight_scale must be above 0, got {self.weight_scale}.")
        return network_for(self.dataset, mapping=Mapping(weight_scaling_omega=self.weight_scale))

    def device(self) -> SoftBounds:
        """A soft-bounds device of so many states, with all its variation."""
        return SoftBounds.with_states(self.states)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointOptions:
    """How a run survives what stops it.

    Attributes:
      checkpoint_every: epochs from one checkpoint to the next, in the directory "checkpoints" of
        the results. If not given, one is written only where Ctrl-C or SIGTERM stops the run.
      resume: go on from the newest checkpoint, if there is one: to the bit as if never stopped.
    """

    checkpoint_every: int | None = None
    resume: bool = False

    def check(self) -> None:
        """Raises a ValueError if the options make no sense."""
        if self.checkpoint_every is not None and self.checkpoint_every < 1:
            raise ValueError(f"checkpoint_every must be at least 1, got {self.checkpoint_every}.")

    def in_directory(self, out: Path, **settings) -> Checkpoints:
        """The checkpoints of a run.

        Args:
          out: directory of its results.
          **settings: all that decides its outcome.
        """
        directory = out / "checkpoints"
        return Checkpoints(directory=directory, settings=settings, every=self.checkpoint_every)

    def after_the_end(self, checkpoints: Checkpoints) -> None:
        """Removes the checkpoints that only a signal asked for; others keep the final state."""
        if self.checkpoint_every is None:
            checkpoints.remove()


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshOptions:
    """How many devices share one training.

    Numbers change no draw, but where none is given a CPU may draw otherwise: it lists the pulses of
    large arrays where they are few, rather than counting them.

    Attributes:
      data_devices: devices that share each mini-batch.
      tile_devices: devices that share the columns of each large weight matrix.
    """

    data_devices: int | None = None
    tile_devices: int | None = None

    def mesh(self) -> Mesh | None:
        """The devices that share the work; None where neither number is given.

        Raises:
          ValueError: if there are fewer devices, or a number is below 1.
        """
        if self.data_devices is self.tile_devices is None:
            return None
        data, tile = (1 if n is None else n for n in (self.data_devices, self.tile_devices))
        return mesh_of(data, tile)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuardOptions:
    """What a run looks out for.

    Attributes:
      guards: stop at the first number that is not finite, and warn of tiles at their bounds, pulse
        trains cut short, tiles that are never sent a pulse and a warm start that never switches.
      saturation_limit: share of a tile's crosspoints at their bounds above which to warn.
    """

    guards: bool = True
    saturation_limit: float = GUARDS.saturation

    def chosen(self) -> Guards | None:
        """The guards, or None.

        Raises:
          ValueError: if the share is none.
        """
        if not 0 <= self.saturation_limit <= 1:
            raise ValueError(f"saturation_limit must lie in [0, 1], got {self.saturation_limit}.")
        return Guards(saturation=self.saturation_limit) if self.guards else None
