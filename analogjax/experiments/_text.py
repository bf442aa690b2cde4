"""Text as windows of letters, each with the letter that follows it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class TextSet(NamedTuple):
    """Windows of a text, the last tenth of it for testing.

    Attributes:
      train_letters: ``(n, length)``, int32, numbers of letters.
      train_labels: ``(n, length)``, int32, the letters that follow them.
      test_letters: ``(m, length)``, likewise.
      test_labels: ``(m, length)``, likewise.
    """

    train_letters: np.ndarray
    train_labels: np.ndarray
    test_letters: np.ndarray
    test_labels: np.ndarray


def load_text(path: Path | None, length: int) -> tuple[TextSet, str]:
    """Windows side by side of a text, and its letters in the order of their numbers.

    Args:
      path: a file of UTF-8 text; if None, the help topics that come with Python.
      length: letters in a window.

    Raises:
      ValueError: if the file is no text or too short for a window in its last tenth.
      FileNotFoundError: for a missing file; the message names it.

    Example:
      >>> from analogjax.experiments import load_text
      >>> windows, letters = load_text(None, 16)
      >>> windows.train_letters.shape[1], "a" in letters
      (16, True)
    """
    text = _topics() if path is None else _read(Path(path))
    if len(text) // 10 <= length:
        raise ValueError(
            f"The text has {len(text)} letters; windows of {length} need more than "
            f"{10 * (length + 1)}."
        )
    letters = "".join(sorted(set(text)))
    numbers = np.searchsorted(np.array(list(letters)), np.array(list(text))).astype(np.int32)
    split = len(numbers) - len(numbers) // 10
    parts = _windows(numbers[:split], length) + _windows(numbers[split:], length)
    return TextSet(*parts), letters


def _topics() -> str:
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics))
    return text.encode("ascii", "ignore").decode()


def _read(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"The text {path} does not exist.")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8: {error.reason}.") from error


def _windows(numbers: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    count = (len(numbers) - 1) // length
    here, after = numbers[: count * length], numbers[1 : count * length + 1]
    return here.reshape(count, length), after.reshape(count, length)
