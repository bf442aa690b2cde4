"""Image sets as arrays: the digits that come with scikit-learn, and those read from files."""

import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from analogjax.experiments._cifar import CIFAR_SETS, read_cifar_set
from analogjax.experiments._idx import IDX_SETS, read_idx_set

DATASETS = ("digits", *IDX_SETS, *CIFAR_SETS)


class ImageSet(NamedTuple):
    """Images and labels, split for training and testing.

    Attributes:
      train_images: ``(n, height, width, channels)``, float32 in [0, 1].
      train_labels: ``(n,)``, int32.
      test_images: ``(m, height, width, channels)``, likewise.
      test_labels: ``(m,)``, int32.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def checksum(data: ImageSet) -> str:
    """A number that other images or labels would not have, in hexadecimal digits."""
    total = 0
    for array in data:
        total = zlib.crc32(array.tobytes(), total)
    return f"{total:08x}"


def load(
    dataset: str,
    data_dir: Path | None = None,
    *,
    train_size: int | None = None,
    download: bool = False,
) -> ImageSet:
    """Loads an image set.

    Args:
      dataset: "digits" (1,797 images of 8 by 8, no files needed), "mnist" or "fashion-mnist"
        (28 by 28), "cifar10" or "cifar100" (32 by 32, in colour).
      data_dir: directory of the files: of MNIST the four IDX files, compressed (.gz) or not; of
        CIFAR the binary files, or train.npz and test.npz of JPEG files (arrays ``jpeg``,
        ``offsets``, ``labels``).
      train_size: use only the first so many training images.
      download: fetch the files, their checksums verified, where ``data_dir`` is not given.

    Returns:
      The images in [0, 1] and their labels.

    Raises:
      ValueError: for an unknown name, a damaged file or a size that is not available.
      FileNotFoundError: for a missing file; the message names it.

    Example:
      >>> from analogjax.experiments import load
      >>> load("digits").train_images.shape
      (1438, 8, 8, 1)
    """
    if dataset not in DATASETS:
        raise ValueError(f"Unknown dataset '{dataset}'; choose one of {', '.join(DATASETS)}.")
    if dataset == "digits" and (data_dir is not None or download):
        raise ValueError("The digits come with scikit-learn: leave out --data-dir and --download.")
    images = _digits() if dataset == "digits" else _from_files(dataset, data_dir, download)
    if train_size is None:
        return images
    available = len(images.train_labels)
    if not 1 <= train_size <= available:
        raise ValueError(f"train_size must lie between 1 and {available}, got {train_size}.")
    return images._replace(
        train_images=images.train_images[:train_size],
        train_labels=images.train_labels[:train_size],
    )


def _digits() -> ImageSet:
    """Scikit-learn's digits, every fifth image for testing."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images[..., None] / 16.0).astype(np.float32)
    labels = bunch.target.astype(np.int32)
    test = np.arange(len(labels)) % 5 == 4
    return ImageSet(images[~test], labels[~test], images[test], labels[test])


def _from_files(dataset: str, data_dir: Path | None, download: bool) -> ImageSet:
    if data_dir is None and not download:
        files = "its four IDX files" if dataset in IDX_SETS else "its files"
        raise ValueError(
            f"{dataset} needs {files}: give their directory (--data-dir) or ask for their download "
            f"(--download, where a command has it)."
        )
    directory = None if data_dir is None else Path(data_dir)
    if directory is not None and not directory.is_dir():
        raise FileNotFoundError(f"The data directory {directory} does not exist.")
    read = read_idx_set if dataset in IDX_SETS else read_cifar_set
    parts = {}
    for split in ("train", "test"):
        images, labels = read(dataset, split, directory)
        parts[f"{split}_images"] = images / np.float32(255.0)
        parts[f"{split}_labels"] = labels.astype(np.int32)
    return ImageSet(**parts)
