"""The rules' equations in plain float64 NumPy, written independently of the package.

Devices are soft bounds, pulses the mean-field recursion W + D F(W) - |D| G(W).
"""

import numpy as np


def to_numpy(cells):
    return tuple(np.asarray(leaf, float) for leaf in cells)


def expected_update(w, change, size, cells, dw_min, rows=slice(None)):
    """Moves some rows by ``change`` where pulses of total ``size`` are sent."""
    up, down, w_max, w_min = (leaf[rows] if leaf.ndim == 2 else leaf for leaf in cells)
    q_up, q_down = up / dw_min * (1 - w / w_max), down / dw_min * (1 - w / w_min)
    moved = w + change * (q_down + q_up) / 2 - size * (q_down - q_up) / 2
    return np.clip(moved, w_min, w_max)


class Gradient:
    """The change that one mini-batch asks for, with or without its factors."""

    def __init__(self, x, d, rate, with_factors):
        outer = np.einsum("bi,bo->bio", np.asarray(x, float), np.asarray(d, float))
        self.change = -rate * outer.sum(0)
        self.size = rate * np.abs(outer).sum(0) if with_factors else np.abs(self.change)


def chain(
    tiles, cells, dw_min, gradients, gamma, rates, periods, reads, stage_length=None, after=True
):
    """Multi-tile residual learning; returns the composite weight after every step, and the tiles.

    ``tiles[0]`` is the most significant one. ``stage_length`` is that of a staged warm start,
    after which the chain follows, or else the last stage goes on.
    """
    last = len(tiles) - 1
    tiles = [np.asarray(w, float) for w in tiles]
    cells = [to_numpy(one) for one in cells]
    in_size = len(tiles[0])
    path = []
    for t, gradient in enumerate(gradients, start=1):
        tiles[last] = expected_update(
            tiles[last], gradient.change, gradient.size, cells[last], dw_min
        )
        stage = last if stage_length is None else (t - 1) // stage_length
        stage = stage if after else min(stage, last - 1)
        if stage < last:
            transfers = [(last, stage, periods[-1], rates[-1])]
        else:
            transfers = [(n + 1, n, periods[n], rates[n]) for n in range(last - 1, -1, -1)]
        for source, target, period, rate in transfers:
            if t % period:
                continue
            turn = t // period - 1
            for line in range(turn * reads, (turn + 1) * reads):
                row = [line % in_size]
                change = rate * tiles[source][row]
                tiles[target][row] = expected_update(
                    tiles[target][row], change, np.abs(change), cells[target], dw_min, row
                )
        path.append(sum(gamma**n * w for n, w in enumerate(tiles)))
    return np.array(path), tiles


def tiki_taka(slow, fast, cells, dw_min, gradients, gamma, transfer_lr, every, reads):
    """The fast tile gathers the gradient; every few steps the slow one takes over some lines."""
    slow, fast = np.asarray(slow, float), np.asarray(fast, float)
    slow_cells, fast_cells = (to_numpy(one) for one in cells)
    line, path = 0, []
    for t, gradient in enumerate(gradients, start=1):
        fast = expected_update(fast, gradient.change, gradient.size, fast_cells, dw_min)
        if t % every == 0:
            for _ in range(reads):
                wanted = transfer_lr * fast[[line]]
                slow[[line]] = expected_update(
                    slow[[line]], wanted, np.abs(wanted), slow_cells, dw_min, [line]
                )
                line = (line + 1) % len(slow)
        path.append(slow + gamma * fast)
    return np.array(path), (slow, fast)


def mixed_precision(w, gradients, rate, dw_min, every):
    """Whole pulses of a digital memory on soft bounds of +-1, at most one at a time."""
    w, memory = np.asarray(w, float), np.zeros(np.shape(w))
    path, memories = [], []
    for t, gradient in enumerate(gradients, start=1):
        memory = memory + rate * gradient
        if t % every == 0:
            pulses = np.trunc(memory / dw_min)
            assert np.abs(pulses).max() <= 1
            memory = memory - pulses * dw_min
            w = np.where(pulses > 0, w - dw_min * (1 + w), w)
            w = np.where(pulses < 0, w + dw_min * (1 - w), w)
        path.append(w)
        memories.append(memory)
    return np.array(path), np.array(memories)
