"""Words beside axes that do not meet."""

import numpy as np


def points(axes) -> np.ndarray:
    """Width and height of the axes, in points, before a layout engine moves them."""
    return 72 / axes.figure.dpi * np.array(axes.bbox.size)


def ems(word: str) -> float:
    """Width of a word in units of its size: a digit of matplotlib's font is 0.64 wide."""
    return 0.64 * len(word)


def tilt(words: list[str], size: float, gaps) -> dict:
    """How labels so many points apart are turned: upright, or slanted where two would meet."""
    widths = size * np.array([ems(word) for word in words])
    meet = np.any((widths[1:] + widths[:-1]) / 2 + size / 3 > gaps)
    return {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if meet else {}
