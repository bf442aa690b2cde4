"""Windows of a text."""

import numpy as np
import pytest

from analogjax.experiments._text import load_text


def test_labels_are_the_letters_that_follow_and_windows_lie_side_by_side(tmp_path):
    text = "".join(chr(97 + n % 26) for n in range(200))
    (tmp_path / "a.txt").write_text(text)
    windows, letters = load_text(tmp_path / "a.txt", 4)
    assert letters == "abcdefghijklmnopqrstuvwxyz"
    flat = windows.train_letters.reshape(-1)
    assert "".join(letters[n] for n in flat) == text[: len(flat)]
    np.testing.assert_array_equal(windows.train_labels.reshape(-1), (flat + 1) % 26)
    assert windows.train_letters.shape == (44, 4)  # Of nine tenths of the text, 180 letters.
    assert windows.test_letters.shape == windows.test_labels.shape == (4, 4)
    assert letters[windows.test_letters[0, 0]] == text[180]


def test_the_topics_of_python_are_a_text():
    windows, letters = load_text(None, 32)
    assert len(windows.train_letters) > 5000
    assert letters.isascii()
    assert windows.train_letters.max() < len(letters)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, FileNotFoundError, "does not exist"),
        (b"\xff\xfe\x00", ValueError, "is not a text in UTF-8"),
        (b"too short", ValueError, "The text has 9 letters; windows of 4 need more than 50"),
    ],
)
def test_what_is_no_text(content, error, message, tmp_path):
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=message):
        load_text(path, 4)
