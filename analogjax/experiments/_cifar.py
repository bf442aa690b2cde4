"""CIFAR-10 and CIFAR-100, from their binary files or from archives of JPEG files."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from analogjax.experiments._download import fetch
from analogjax.experiments._jpeg_archive import read_jpeg_archive

_SIDE = 32


class _Source(NamedTuple):
    """One set: its archive, the folder and the files in it, and how their records begin."""

    url: str
    checksum: str
    folder: str
    files: dict[str, tuple[str, ...]]
    label_bytes: int  # Of which the last is the label.
    classes: int


_SOURCES = {
    "cifar10": _Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        checksum="md5:c32a1d4ab5d03f1284b67883e8d87530",
        folder="cifar-10-batches-bin",
        files={
            "train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
            "test": ("test_batch.bin",),
        },
        label_bytes=1,
        classes=10,
    ),
    "cifar100": _Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        checksum="md5:03b5dce01913d631647c71ecec9e9cb8",
        folder="cifar-100-binary",
        files={"train": ("train.bin",), "test": ("test.bin",)},
        label_bytes=2,
        classes=100,
    ),
}
CIFAR_SETS = tuple(_SOURCES)


def read_cifar_set(
    dataset: str, split: str, data_dir: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one split of CIFAR-10 or CIFAR-100, whose labels are the fine ones.

    Args:
      dataset: one of :data:`CIFAR_SETS`.
      split: "train" or "test".
      data_dir: directory of the binary files, or the one above it, or the directory of archives
        train.npz and test.npz of JPEG files; None to download the binary files.

    Returns:
      Images ``(n, 32, 32, 3)``, uint8, and labels ``(n,)``, integers.

    Raises:
      ValueError: for a damaged file, or one that is not the right one.
      FileNotFoundError: for a missing file; the message names it.

    Reference: Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
    """
    source = _SOURCES[dataset]
    paths = _find(dataset, split, data_dir)
    if paths[0].suffix == ".npz":
        parts = [read_jpeg_archive(paths[0], (_SIDE, _SIDE))]
    else:
        parts = [_read_records(path, source.label_bytes) for path in paths]
    for path, (_, labels) in zip(paths, parts, strict=True):
        wrong = labels[(labels < 0) | (labels >= source.classes)]
        if wrong.size:
            raise ValueError(
                f"{path} is damaged: it holds the label {wrong[0]}, but labels of {dataset} are 0 "
                f"to {source.classes - 1}."
            )
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return images, labels


def _find(dataset: str, split: str, data_dir: Path | None) -> list[Path]:
    """The files of a split: binary ones if there are any, else an archive."""
    source = _SOURCES[dataset]
    if data_dir is None:
        files = fetch(source.url, source.checksum, dataset, unpack=True)
        data_dir = next(file.parent for file in files if file.suffix == ".bin")
    names = [name for files in source.files.values() for name in files]
    for directory in (data_dir, data_dir / source.folder):
        if any((directory / name).exists() for name in names):
            return [directory / name for name in source.files[split]]
    if any(data_dir.glob("*.npz")):
        return [data_dir / f"{split}.npz"]
    raise FileNotFoundError(
        f"{data_dir} holds neither the binary files of {dataset} ({', '.join(names)}) nor "
        f"train.npz and test.npz."
    )


def _read_records(path: Path, label_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one binary file: labels and the planes of red, green and blue."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    raw = np.fromfile(path, np.uint8)
    size = label_bytes + 3 * _SIDE**2
    if raw.size == 0 or raw.size % size:
        raise ValueError(
            f"{path} is damaged: it holds {raw.size} bytes, which are no whole images of {size} "
            f"bytes."
        )
    records = raw.reshape(-1, size)
    planes = records[:, label_bytes:].reshape(-1, 3, _SIDE, _SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, label_bytes - 1]
