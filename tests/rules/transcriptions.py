"""The rules' equations in plain float64 NumPy, written independently of the package.

Devices are soft bounds, pulses the mean-field recursion W + D F(W) - |D| G(W).
"""

import copy

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

    def transposed(self):
        """Of the transposed matrix."""
        other = copy.copy(self)
        other.change, other.size = self.change.T, self.size.T
        return other


def chain(
    tiles, cells, dw_min, gradients, gamma, rates, periods, reads,
    stage_length=None, after=True, source="last", threshold=0.0,
):  # fmt: skip
    """Multi-tile residual learning; returns the composite weight after every step, and the tiles.

    ``tiles[0]`` is the most significant one. ``stage_length`` is that of a staged warm start,
    after which the chain follows, or else the last stage goes on. Its tiles are written from the
    ``source``: the last one alone, the last but one, or all finer ones. Reads below a threshold
    are not passed on.
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
        hub = last - 1 if source == "last-but-one" else last
        stage = last if stage_length is None else (t - 1) // stage_length
        stage = stage if after else min(stage, hub - 1)
        transfers = [(n + 1, n, periods[n], rates[n]) for n in range(last - 1, -1, -1)]
        if stage < hub and source == "next":
            transfers = [one for one in transfers if one[1] >= stage]
        elif stage < hub:
            finer = [one for one in transfers if one[1] >= hub]
            transfers = [*finer, (hub, stage, periods[hub - 1], rates[hub - 1])]
        for origin, target, period, rate in transfers:
            if t % period:
                continue
            turn = t // period - 1
            for line in range(turn * reads, (turn + 1) * reads):
                row = [line % in_size]
                read = tiles[origin][row]
                change = rate * np.where(np.abs(read) < threshold, 0.0, read)
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


def mixed_precision(w, cells, gradients, rate, dw_min, every, momentum=0.0):
    """Whole pulses of a digital memory, and that memory."""
    w, cells = np.asarray(w, float), to_numpy(cells)
    memory, velocity, path, memories = np.zeros(w.shape), np.zeros(w.shape), [], []
    for t, gradient in enumerate(gradients, start=1):
        velocity = momentum * velocity + gradient
        memory = memory + rate * velocity
        if t % every == 0:
            change = np.trunc(memory / dw_min) * dw_min
            memory = memory - change
            w = expected_update(w, -change, np.abs(change), cells, dw_min)
        path.append(w)
        memories.append(memory)
    return np.array(path), np.array(memories)


def quantised(vectors, bins):
    """The vectors in ``bins // 2`` steps of either sign up to their largest entry."""
    vectors = np.asarray(vectors, float)
    width = np.abs(vectors).max(axis=-1, keepdims=True) / (bins // 2)
    return width * np.rint(vectors / width)


def auto_scaled_rates(x, d, pulses, granularity, momentum):
    """The rates that send so many pulses for vectors of the mean magnitude of those so far."""
    mean, rates = None, []
    for step in zip(np.asarray(x, float), np.asarray(d, float), strict=True):
        now = np.array([np.abs(part).max(axis=1).mean() for part in step])
        mean = now if mean is None else momentum * mean + (1 - momentum) * now
        rates.append(pulses * granularity / mean.prod())
    return rates


def whole(amount, most):
    return np.clip(np.trunc(amount), -most, most)


def buffered(
    slow, fast, cells, dw_mins, gradients, *, rates, every, reads, gamma, digital, signs=None
):
    """A fast tile, something digital, and a slow tile; one line after another.

    ``digital`` is a function of the line, what was read of it, the transfer rate and the number of
    sweeps before, which gives the wanted change of the slow tile. ``signs`` has one number for
    each line and may be changed by it.
    """
    slow, fast = np.asarray(slow, float), np.asarray(fast, float)
    slow_cells, fast_cells = (to_numpy(one) for one in cells)
    signs = np.ones(len(slow)) if signs is None else signs
    number, path = 0, []
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        change = signs[:, None] * gradient.change
        fast = expected_update(fast, change, gradient.size, fast_cells, dw_mins[1])
        if t % every == 0:
            # All lines of a transfer are read before the first is written.
            for line, seen in [
                (k % len(slow), fast[k % len(slow)]) for k in range(number, number + reads)
            ]:
                wanted = digital(line, seen, rate, number // len(slow))
                slow[[line]] = expected_update(
                    slow[[line]], wanted, np.abs(wanted), slow_cells, dw_mins[0], [line]
                )
                number += 1
        path.append(slow + gamma * signs[:, None] * fast)
    return np.array(path), (slow, fast)


class Buffer:
    """The buffer of Tiki-Taka version 2 (in weights) and of its chopped form (in pulses)."""

    def __init__(self, shape, *, pulse, written, share=1.0, momentum=0.0, forget=True, most=1):
        self.h = np.zeros(shape)
        self.pulse, self.written, self.share = pulse, written, share
        self.momentum, self.forget, self.most = momentum, forget, most

    def add(self, line, change):
        """The wanted change of the slow tile after a change of what is buffered."""
        h = self.h[line] + self.share * change
        n = whole(h / self.pulse, self.most)
        if self.forget:
            self.h[line] = np.where(n != 0, self.momentum * h, h)
        else:
            self.h[line] = h - (1 - self.momentum) * n * self.pulse
        return n * self.written

    def __call__(self, line, seen, rate, sweep):
        del sweep
        return self.add(line, rate * seen)


class Chopped(Buffer):
    """With signs that change after every ``phase`` sweeps."""

    def __init__(self, shape, phase, **more):
        super().__init__(shape, **more)
        self.phase, self.signs = phase, np.ones(shape[0])

    def __call__(self, line, seen, rate, sweep):
        wanted = self.add(line, rate * self.signs[line] * seen)
        if sweep % self.phase == self.phase - 1:
            self.signs[line] *= -1
        return wanted


class Dynamic(Chopped):
    """With a running mean of the reads, and a reference that follows it from phase to phase."""

    def __init__(self, shape, phase, tail, cap=None, **more):
        super().__init__(shape, phase, **more)
        self.mean, self.reference = np.zeros(shape), np.zeros(shape)
        self.rho, self.cap = min(tail / phase, 1.0), cap

    def __call__(self, line, seen, rate, sweep):
        if sweep and sweep % self.phase == 0:
            self.reference[line] = self.mean[line]
        wanted = self.add(line, rate * self.signs[line] * (seen - self.reference[line]))
        if self.cap is not None:
            limit = self.cap * self.most
            self.h[line] = np.where(wanted != 0, np.clip(self.h[line], -limit, limit), self.h[line])
        self.mean[line] = (1 - self.rho) * self.mean[line] + self.rho * seen
        if sweep % self.phase == self.phase - 1:
            self.signs[line] *= -1
        return wanted if sweep > self.phase else 0 * wanted


class MovingAverage:
    """The buffer of residual learning version 2."""

    def __init__(self, shape, momentum, least):
        self.h, self.momentum, self.least = np.zeros(shape), momentum, least

    def __call__(self, line, seen, rate, sweep):
        del sweep
        self.h[line] = self.momentum * self.h[line] + (1 - self.momentum) * seen
        return np.where(np.abs(self.h[line]) > self.least, rate * self.h[line], 0.0)
