"""The IDX files of MNIST and of Fashion-MNIST."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from analogjax.experiments._download import fetch

_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_ADDRESSES = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion-mnist": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
}
_CHECKSUMS = {
    "mnist": {
        "train-images-idx3-ubyte": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "md5:d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "md5:9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "md5:ec29112dd5afa0611ce80d1b7f02629c",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "md5:25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "md5:bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "md5:bb300cfdad3c16e7a12a480ee83cd310",
    },
}
IDX_SETS = tuple(_ADDRESSES)
# The files of both sets have the same names.
_FIRST_LABELS = {
    "train": {"mnist": [5, 0, 4, 1, 9], "fashion-mnist": [9, 0, 0, 3, 0]},
    "test": {"mnist": [7, 2, 1, 0, 4], "fashion-mnist": [9, 2, 1, 1, 6]},
}


def read_idx_set(
    dataset: str, split: str, data_dir: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one split of an image set in IDX files.

    Args:
      dataset: one of :data:`IDX_SETS`.
      split: "train" or "test".
      data_dir: directory of the files, compressed (.gz) or not; None to download them.

    Returns:
      Images ``(n, height, width, 1)``, uint8, and labels ``(n,)``, uint8.

    Raises:
      ValueError: for a damaged file, or one that is not the right one.
      FileNotFoundError: for a missing file; the message names it.
    """
    images_path, labels_path = (_find(dataset, name, data_dir) for name in _FILES[split])
    images, labels = _read(images_path, axes=3), _read(labels_path, axes=1)
    if len(images) != len(labels):
        raise ValueError(
            f"The {split} files of {dataset} hold {len(images)} images but {len(labels)} "
            f"labels: one of them is not the right one."
        )
    for other, first in _FIRST_LABELS[split].items():
        if other != dataset and labels[:5].tolist() == first:
            raise ValueError(f"{labels_path} is of {other}, not of {dataset}: give its directory.")
    return images[..., None], labels


def _find(dataset: str, name: str, directory: Path | None) -> Path:
    if directory is None:
        url = f"{_ADDRESSES[dataset]}{name}.gz"
        return fetch(url, _CHECKSUMS[dataset][name], dataset)[0]
    for path in (directory / name, directory / f"{name}.gz"):
        if path.exists():
            return path
    raise FileNotFoundError(f"{directory / name} (or {name}.gz) does not exist.")


def _read(path: Path, axes: int) -> np.ndarray:
    array = _read_idx(path)
    if array.ndim != axes:
        raise ValueError(f"{path} holds {array.ndim} axes, not {axes}: wrong file?")
    return array


def _read_idx(path: Path) -> np.ndarray:
    """The array of bytes in an IDX file, whose header says its axes and sizes."""
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged or not a gzip file: {error}.") from error
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08" or not 1 <= raw[3] <= 4:
        raise ValueError(f"{path} is not an IDX file of bytes: its header is {raw[:4].hex()}.")
    axes = raw[3]
    header = 4 + 4 * axes
    if len(raw) < header:
        raise ValueError(f"{path} is damaged: it ends within its header.")
    shape = struct.unpack(f">{axes}I", raw[4:header])
    size = int(np.prod(shape, dtype=np.int64))
    if len(raw) - header != size:
        raise ValueError(
            f"{path} is damaged: its header promises {size} bytes of data, it holds "
            f"{len(raw) - header}."
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
