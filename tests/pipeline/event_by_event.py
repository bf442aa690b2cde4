"""A pipeline in plain NumPy, one event after another, that knows nothing of clocks or recursions.

A stage has one set of weights, whatever they are at the moment. It has two queues, and does the
next thing that it is to do once what it needs for it has arrived; which of the stages is next is
drawn at random.
"""

from collections import deque

import numpy as np


class Layer:
    """A dense layer whose kernel is an array of soft bounds, digital if they are infinite."""

    def __init__(self, kernel, bias, active, bound):
        self.w, self.b, self.active, self.bound = kernel.copy(), bias.copy(), active, bound
        self.sent = []

    def forward(self, x):
        z = x @ self.w + self.b
        return (np.tanh(z) if self.active else z), (x, z)

    def backward(self, kept, error):
        x, z = kept
        if self.active:
            error = error * (1 - np.tanh(z) ** 2)
        self.sent.append((x, error))
        return error @ self.w.T

    def learn(self, rate):
        x, d = (np.concatenate(parts) for parts in zip(*self.sent, strict=True))
        self.sent = []
        change = -rate * x.T @ d
        size = rate * np.abs(x).T @ np.abs(d)
        self.w = np.clip(self.w + change - size * self.w / self.bound, -self.bound, self.bound)
        self.b = self.b - rate * d.sum(0)


class Stage:
    def __init__(self, layers, delay, parts, total):
        self.layers, self.delay, self.parts, self.total = layers, delay, parts, total
        self.inbox, self.errors, self.kept = deque(), deque(), deque()
        self.forwarded = self.returned = self.updates = 0

    def next_pass(self):
        """Which pass it is to make next, if it can; stale by its delay and by no more."""
        if self.forwarded < min((self.updates + 1 + self.delay) * self.parts, self.total):
            return "forward" if self.inbox else None
        return "backward" if self.errors else None

    def forward(self):
        x, kept = self.inbox.popleft(), []
        for layer in self.layers:
            x, own = layer.forward(x)
            kept.append(own)
        self.kept.append(kept)
        self.forwarded += 1
        return x

    def backward(self, rate):
        error, kept = self.errors.popleft(), self.kept.popleft()
        for layer, own in zip(reversed(self.layers), reversed(kept), strict=True):
            error = layer.backward(own, error)
        self.returned += 1
        if self.returned % self.parts == 0:
            for layer in self.layers:
                layer.learn(rate)
            self.updates += 1
        return error


def train(params, sizes, delays, parts, xs, ys, *, rate, bound, seed):
    """Kernels and biases after a run, and the losses, for layers ``(kernel, bias)``.

    ``sizes`` are the numbers of layers of the stages; the loss is the mean square.
    """
    rng = np.random.default_rng(seed)
    steps, batch = xs.shape[:2]
    x, y = (a.reshape(steps * parts, batch // parts, -1) for a in (xs, ys))
    layers = [Layer(w, b, n < len(params) - 1, bound) for n, (w, b) in enumerate(params)]
    ends = np.cumsum([0, *sizes])
    stages = [
        Stage(layers[first:last], delay, parts, len(x))
        for first, last, delay in zip(ends[:-1], ends[1:], delays, strict=True)
    ]
    stages[0].inbox.extend(x)
    losses = []
    while stages[0].returned < len(x):
        ready = [n for n, stage in enumerate(stages) if stage.next_pass()]
        n = rng.choice(ready)
        stage = stages[n]
        if stage.next_pass() == "forward":
            output, number = stage.forward(), stage.forwarded - 1
            if n + 1 < len(stages):
                stages[n + 1].inbox.append(output)
            else:
                losses.append(np.mean((output - y[number]) ** 2))
                stage.errors.append(2 * (output - y[number]) / output.size / parts)
        else:
            error = stage.backward(rate)
            if n:
                stages[n - 1].errors.append(error)
    return [(layer.w, layer.b) for layer in layers], np.reshape(losses, (steps, parts)).mean(1)
