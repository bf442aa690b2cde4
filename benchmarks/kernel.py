"""What one update of one array costs, against the speed at which memory is copied; and its memory.

Usage: python benchmarks/kernel.py [--rounds N] [--only SIZE ...] [--out FILE]

One mini-batch of eight normal inputs and errors is sent to square arrays of ten-state devices with
all their variation, at the rate at which a sample sends about 0.001 pulses to a crosspoint, as in
the layers of LeNet-5: by BatchedPulses, as the summed gradient, and, for comparison, digitally.
Updates follow each other in a compiled loop, whose weights are donated.

Bytes are the least that a pass over the whole array moves: at each crosspoint the weight is read
and written and every constant that varies is read, 4 bytes each; vectors, random bits, a summed
gradient and the counts of pulses are left out. An update that goes to the pulsed crosspoints alone
can move fewer. Copies of an array too large for any cache, by jax.numpy (x + 1 in place) and by
NumPy, are timed in the same rounds, and count what is read and what is written, too.

The memory of an optimizer state follows from the shapes of its leaves alone. The record goes to
results/kernel.json.
"""

import argparse
import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _tasks import DEVICE, residual
from _timing import SECONDS, in_turn, machine, median_ratio

from analogjax.experiments._files import write_json
from analogjax.pulses import BatchedPulses

RESULT = Path(__file__).parent / "results" / "kernel.json"
SIZES = 64, 128, 256, 512, 1024, 2048
BATCH, PULSES = 8, 0.001
RATE = PULSES * DEVICE.dw_min / (2 / math.pi)  # The mean of |x d| is 2 / pi.
COPIED = 2**26  # Numbers of 4 bytes.


def batched(key, cells, w, x, d):
    sent = BatchedPulses().send(key, DEVICE, cells, w, x, d, RATE)
    return sent.w, sent.up.sum() + sent.down.sum()


def summed(key, cells, w, x, d):
    sent = BatchedPulses().send_increment(key, DEVICE, cells, w, -RATE * x.T @ d)
    return sent.w, sent.up.sum() + sent.down.sum()


def digital(key, cells, w, x, d):
    del key, cells
    return w - RATE * x.T @ d, jnp.int32(0)


UPDATES = {"batched pulses": batched, "summed gradient": summed, "digital": digital}


def per_second(call: Callable[[], None]) -> Callable[[], float]:
    """A function that calls for a while and gives the calls/s; ``call`` waits for its result."""

    def seconds(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - start

    seconds(1)  # The first call is slower.
    calls = math.ceil(1.1 * SECONDS / seconds(1))
    return lambda: calls / seconds(calls)


class Updates:
    """A compiled loop of updates of one array.

    Attributes:
      compile_seconds: time taken by tracing and compiling.
    """

    def __init__(self, size: int, update: Callable):
        self._steps = int(np.clip(2**22 // size**2, 8, 256))
        key_w, self._key, *keys = jax.random.split(jax.random.key(size), 5)
        self._cells = DEVICE.sample(key_w, (size, size))
        self._w = jnp.zeros((size, size))
        self._x, self._d = (jax.random.normal(key, (self._steps, BATCH, size)) for key in keys[:2])
        self.pulses = 0

        def loop(w, key, cells, x, d):
            def step(w, inputs):
                return update(inputs[0], cells, w, *inputs[1:])

            return jax.lax.scan(step, w, (jax.random.split(key, self._steps), x, d))

        start = time.perf_counter()
        arguments = self._w, self._key, self._cells, self._x, self._d
        self._loop = jax.jit(loop, donate_argnums=0).lower(*arguments).compile()
        self.compile_seconds = time.perf_counter() - start
        self._loops_per_second = per_second(self._run)

    def _run(self) -> None:
        self._w, sent = self._loop(self._w, self._key, self._cells, self._x, self._d)
        self.pulses = int(sent.sum()) / (self._steps * BATCH * self._w.size)

    def __call__(self) -> float:
        """Updates/s."""
        return self._steps * self._loops_per_second()


def copies() -> dict[str, Callable[[], float]]:
    """Bytes/s, read and written, of copying a large array."""
    # Ones, since pages of zeros that were never written all lie in one place.
    source, target = np.ones(COPIED, np.float32), np.ones(COPIED, np.float32)
    arrays = [jnp.ones(COPIED)]
    add = jax.jit(lambda x: x + 1, donate_argnums=0)

    def add_one():
        arrays.append(add(arrays.pop()).block_until_ready())

    calls = {
        "jax.numpy": per_second(add_one),
        "NumPy": per_second(lambda: np.copyto(target, source)),
    }
    return {name: lambda c=c: 2 * source.nbytes * c() for name, c in calls.items()}


def bytes_moved(update: str) -> int:
    """The least bytes a pass over the whole array moves for each crosspoint."""
    cells = DEVICE.sample(jax.random.key(0), (2, 2))
    varying = sum(jnp.ndim(leaf) == 2 for leaf in jax.tree.leaves(cells))
    return 4 * (2 + (0 if update == "digital" else varying))


def state_bytes() -> list[dict]:
    """Bytes of the optimizer state for each crosspoint and tile."""
    devices = {
        "all variation": DEVICE,
        "steps vary, bounds do not": dataclasses.replace(DEVICE, w_max_dtod=0.0, w_min_dtod=0.0),
        "no variation": DEVICE.without_variation(),
    }
    size, rows = 512, []
    params = {"kernel": jax.ShapeDtypeStruct((size, size), jnp.float32)}
    for name, device in devices.items():
        for tiles in (1, 2, 6):
            state = jax.eval_shape(residual(0.1, tiles, device=device).init, params)
            total = sum(leaf.size * leaf.dtype.itemsize for leaf in _arrays(state))
            rows.append({"device": name, "tiles": tiles, "bytes": total / (size**2 * tiles)})
    return rows


def _arrays(state) -> list:
    """The leaves of a state that are numbers; its one key is not worth counting."""
    leaves = jax.tree.leaves(state)
    return [leaf for leaf in leaves if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]


def records(runs: dict, rates: dict, best: str) -> list[dict]:
    """What was measured of each update; ``best`` is the faster way to copy."""
    rows = []
    for name, values in rates.items():
        if name not in runs:
            continue
        size, update = name
        moved = bytes_moved(update) * size**2
        rate = statistics.median(values)
        rows.append(
            {
                "size": size,
                "update": update,
                "microseconds": 1e6 / rate,
                "crosspoints_per_second": rate * size**2,
                "bytes_per_crosspoint": bytes_moved(update),
                "bytes_per_second": rate * moved,
                "of_copy": moved * median_ratio(values, rates[best]),
                "pulses": runs[name].pulses,
                "compile_seconds": round(runs[name].compile_seconds, 2),
                "rounds": values,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="*", type=int, default=SIZES, help="sizes of the arrays")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    runs = {
        (size, name): Updates(size, update)
        for size in options.only
        for name, update in UPDATES.items()
    }
    rates = in_turn(copies() | runs, options.rounds)
    copied = {name: statistics.median(rates[name]) for name in ("jax.numpy", "NumPy")}
    rows = records(runs, rates, max(copied, key=copied.__getitem__))
    for row in rows:
        print(f"{row['size']:5d} {row['update']:16s} {row['microseconds']:10.1f} us", end="")
        print(f" {row['crosspoints_per_second'] / 1e6:9.1f} M/s {row['of_copy']:6.2f}")
    content = {"machine": machine(), "copy_bytes_per_second": copied, "updates": rows}
    write_json(options.out, content | {"state": state_bytes()})


if __name__ == "__main__":
    main()
