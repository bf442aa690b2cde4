"""Image sets as arrays: the digits that come with scikit-learn, and the IDX files of MNIST."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

_FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
_SOURCES = {
    "mnist": (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        {
            "train_images": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train_labels": "md5:d53e105ee54ea40749a09fcbcd1e9432",
            "test_images": "md5:9fb629c4189551a2d022fa330f9573f3",
            "test_labels": "md5:ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion-mnist": (
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        {
            "train_images": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train_labels": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "test_images": "md5:bef4ecab320f06d8554ea6380940ec79",
            "test_labels": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
}
DATASETS = ("digits", *_SOURCES)


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


def load(
    dataset: str,
    data_dir: Path | None = None,
    *,
    train_size: int | None = None,
    download: bool = False,
) -> ImageSet:
    """Loads an image set.

    Args:
      dataset: "digits" (1,797 images of 8 by 8, no files needed), "mnist" or "fashion-mnist".
      data_dir: directory of the four IDX files, compressed (.gz) or not.
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
    images = _digits() if dataset == "digits" else _idx_set(dataset, data_dir, download)
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


def _idx_set(dataset: str, data_dir: Path | None, download: bool) -> ImageSet:
    if data_dir is None and not download:
        raise ValueError(
            f"{dataset} needs its four IDX files: give their directory with --data-dir, or "
            f"--download to fetch them."
        )
    if data_dir is not None and not Path(data_dir).is_dir():
        raise FileNotFoundError(f"The data directory {data_dir} does not exist.")
    parts = {}
    for part, name in _FILES.items():
        path = _find(Path(data_dir), name) if data_dir is not None else _fetch(dataset, part)
        parts[part] = _read_idx(path)
        expected = 3 if part.endswith("images") else 1
        if parts[part].ndim != expected:
            raise ValueError(f"{path} holds {parts[part].ndim} axes, not {expected}: wrong file?")
    for split in ("train", "test"):
        images, labels = parts[f"{split}_images"], parts[f"{split}_labels"]
        if len(images) != len(labels):
            raise ValueError(
                f"The {split} files of {dataset} hold {len(images)} images but {len(labels)} "
                f"labels: one of them is not the right one."
            )
        parts[f"{split}_images"] = images[..., None].astype(np.float32) / np.float32(255.0)
        parts[f"{split}_labels"] = labels.astype(np.int32)
    return ImageSet(**parts)


def _find(directory: Path, name: str) -> Path:
    for path in (directory / name, directory / f"{name}.gz"):
        if path.exists():
            return path
    raise FileNotFoundError(f"{directory / name} (or {name}.gz) does not exist.")


def _fetch(dataset: str, part: str) -> Path:
    """Downloads one file into the cache of the operating system, its checksum verified."""
    import pooch

    base, hashes = _SOURCES[dataset]
    name = f"{_FILES[part]}.gz"
    path = pooch.os_cache("analogjax") / dataset
    try:
        return Path(pooch.retrieve(f"{base}{name}", hashes[part], fname=name, path=path))
    except OSError as error:
        raise FileNotFoundError(
            f"{base}{name} could not be downloaded ({type(error).__name__}); fetch it by other "
            f"means and give its directory with --data-dir."
        ) from error


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
