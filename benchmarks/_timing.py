"""How the benchmarks measure: compile first, then time in turn, round after round."""

import math
import os
import statistics
import time
from collections.abc import Callable, Hashable

import jax
import jax.numpy as jnp
import optax
from _tasks import Task

from analogjax.experiments._training import pulses_sent
from analogjax.nn import linen as ann

SECONDS = 0.3  # Least length of one timing,
STEPS = 512  # and most steps of one scan.


class Training:
    """A compiled training that goes on for a while at each call.

    The loop is the one of the command line: a scan of steps, its state donated. Digital and analog
    trainings differ in the optimizer alone.

    Attributes:
      compile_seconds: time taken by tracing and compiling the scan.
    """

    def __init__(self, task: Task, optimizer, batch: int, *, factors: bool = True):
        steps = min(len(task.x) // batch, STEPS)
        self._x, self._y = (
            jnp.asarray(part[: steps * batch]).reshape(steps, batch, *part.shape[1:])
            for part in (task.x, task.y)
        )
        self._params = task.model.init(jax.random.key(0), self._x[0])["params"]
        self._opt_state = optimizer.init(self._params)
        epoch = jax.jit(_epoch(task, optimizer, factors), donate_argnums=(0, 1))
        start = time.perf_counter()
        self._epoch = epoch.lower(self._params, self._opt_state, self._x, self._y).compile()
        self.compile_seconds = time.perf_counter() - start
        self._samples, self._trained = steps * batch, 0
        self._train(1)  # The first call is slower.
        self._repeats = math.ceil(1.1 * SECONDS / self._train(1))

    def _train(self, epochs: int) -> float:
        """Seconds that some more passes over the samples take."""
        start = time.perf_counter()
        for _ in range(epochs):
            self._params, self._opt_state = self._epoch(
                self._params, self._opt_state, self._x, self._y
            )
        jax.block_until_ready(self._params)
        self._trained += epochs * self._samples
        return time.perf_counter() - start

    def __call__(self) -> float:
        """Trains on and gives the samples/s."""
        return self._repeats * self._samples / self._train(self._repeats)

    def record(self) -> dict:
        """What else there is to tell of it; pulses are those sent to a crosspoint by a sample."""
        crosspoints = sum(leaf.size for leaf in jax.tree.leaves(self._params) if leaf.ndim > 1)
        pulses = float(pulses_sent(self._opt_state)) / (self._trained * crosspoints)
        return {"compile_seconds": round(self.compile_seconds, 2), "pulses": round(pulses, 6)}


def _epoch(task: Task, optimizer, factors: bool):
    """One pass over the samples, as a pure function."""

    def loss_fn(params, taps, x, y):
        return task.loss(task.model.apply({"params": params, "taps": taps}, x), y)

    def step(carry, batch):
        params, opt_state = carry
        taps = ann.taps(task.model, {"params": params}, batch[0])
        gradients = jax.value_and_grad(loss_fn, argnums=(0, 1))
        value, (grads, pairs) = gradients(params, taps, *batch)
        extra = {"factors": pairs} if factors else {}
        updates, opt_state = optimizer.update(grads, opt_state, params, value=value, **extra)
        return (optax.apply_updates(params, updates), opt_state), None

    return lambda params, opt_state, x, y: jax.lax.scan(step, (params, opt_state), (x, y))[0]


def in_turn(runs: dict[Hashable, Callable[[], float]], rounds: int) -> dict[Hashable, list[float]]:
    """What each call gives in each round, so that a change of the machine's speed meets all."""
    values: dict[Hashable, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            values[name].append(run())
    return values


def median_ratio(values: list[float], base: list[float]) -> float:
    """The median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(values, base, strict=True))


def machine() -> dict:
    """What the numbers were measured on."""
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "device": device.device_kind,
        "cpus": os.cpu_count(),
        "jax": jax.__version__,
    }
