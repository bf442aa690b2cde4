"""A look of its own for every line."""

import itertools
import re

import numpy as np

_MARKERS = ["", "s", "^", "D", "v", "P"]
_COLORS = ["black", "C3", "C1", "C4", "C5", "C6", "C0", "C9", "C8", "C7"]


def looks_of(names) -> dict:
    """A marker and a colour for each run: greens for residual learning, the darker the more tiles.

    The others have no marker until the colours are used up.
    """
    tiles = {name: re.match(r"Residual learning.*\b(\d+) tile", name) for name in names}
    chains = sorted((int(found[1]), name) for name, found in tiles.items() if found)
    depths = np.linspace(0.45, 0.95, len(chains))
    greens = {name: ("", _shade(d)) for d, (_, name) in zip(depths, chains, strict=True)}
    others = itertools.cycle(itertools.product(_MARKERS, _COLORS))
    return {name: greens[name] if name in greens else next(others) for name in names}


def _shade(depth: float):
    import matplotlib

    return matplotlib.colormaps["Greens"](depth)
