"""Images as the JPEG files of one NumPy archive."""

import io
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

# What a damaged archive raises: where its table, its headers or what they describe make no sense,
# ask for a password, a compression that does not exist, or more memory than there is.
_DAMAGE = (
    *(OSError, EOFError, KeyError, TypeError, ValueError, SyntaxError, struct.error),
    *(RuntimeError, MemoryError, OverflowError, zipfile.BadZipFile, zlib.error),
)


def read_jpeg_archive(path: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of an ``.npz`` archive of JPEG files.

    It holds the arrays ``jpeg``, uint8, the bytes of all ``n`` files one after another;
    ``offsets``, ``(n + 1,)``, where each file begins and the last one ends; ``labels``, ``(n,)``.

    Args:
      path: the archive.
      size: height and width that all images must have, in pixels.

    Returns:
      Images ``(n, height, width, 3)``, uint8, and labels ``(n,)``, integers.

    Raises:
      ValueError: for a damaged archive or image; the message names it.
      FileNotFoundError: for a missing archive.
    """
    raw, offsets, labels = _arrays(path)
    n = len(labels)
    if n < 1:
        raise ValueError(f"{path} is damaged: it holds no images.")
    if len(offsets) != n + 1:
        raise ValueError(f"{path} is damaged: {n} labels need {n + 1} offsets, not {len(offsets)}.")
    if offsets[0] != 0 or offsets[-1] != len(raw) or np.any(offsets[1:] < offsets[:-1]):
        raise ValueError(
            f"{path} is damaged: its offsets do not rise from 0 to the {len(raw)} bytes it holds."
        )
    images = np.empty((n, *size, 3), np.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Image size .* exceeds limit")  # We refuse other sizes.
        for i in range(n):
            images[i] = _decoded(path, i, raw[offsets[i] : offsets[i + 1]], size)
    return images, labels


def _arrays(path: Path) -> list[np.ndarray]:
    """The arrays jpeg, offsets and labels."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    kinds = {"jpeg": np.uint8, "offsets": np.integer, "labels": np.integer}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in kinds}
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200]  # It may quote the archive at length.
        raise ValueError(f"{path} is damaged or not an archive of JPEG files: {reason}.") from error
    for name, kind in kinds.items():
        if arrays[name].ndim != 1 or not np.issubdtype(arrays[name].dtype, kind):
            raise ValueError(
                f"{path} is damaged: '{name}' should be a vector of {kind.__name__}, but is "
                f"{arrays[name].dtype} of shape {arrays[name].shape}."
            )
    return list(arrays.values())


def _decoded(path: Path, index: int, raw: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One image, ``(height, width, 3)``."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw.tobytes()), formats=["JPEG"]) as image:
            # Before it is unpacked: a wrong size may ask for more memory than there is.
            if (image.height, image.width) == size:
                return np.asarray(image.convert("RGB"))
            height, width = image.height, image.width
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is damaged: image {index} is no JPEG file ({error}).") from error
    raise ValueError(
        f"{path} should hold images of {size[0]} by {size[1]} pixels, but image {index} has "
        f"{height} by {width}."
    )
