"""What a product through converters costs, against a plain one.

Usage: python benchmarks/periphery.py [--rounds N] [--out FILE]

Normal inputs go through a layer, and their errors back, by ``x @ w`` as in a flax layer, by ``mvm``
with perfect converters, and with the default ones (7-bit inputs scaled to their largest, 9-bit
outputs with noise, read again where one clips), whose errors go back exactly, or through such
converters, too. The layers are a dense one of 512 x 512 and the patches of the first two
convolutions of LeNet-5 for a mini-batch of 8. The weights are as large as at the start of a
training, so that no output clips; in ``clipping`` the output bound is so low that the vectors need
two or three passes. ``forward`` is the product alone. Calls follow each other in turn, round after
round, and a ratio is the median over rounds of the ratio within a round. The record goes to
results/periphery.json.
"""

import argparse
import math
import statistics
import time
from pathlib import Path

import jax
from _timing import in_turn, machine, median_ratio

from analogjax.experiments._files import write_json
from analogjax.periphery import AnalogIO, mvm

RESULT = Path(__file__).parent / "results" / "periphery.json"
SECONDS = 0.05  # Least length of one timing.
# Vectors, inputs and outputs.
LAYERS = {
    "dense, batch 8": (8, 512, 512),
    "dense, batch 64": (64, 512, 512),
    "conv 1, batch 8": (8 * 24 * 24, 25, 16),
    "conv 2, batch 8": (8 * 8 * 8, 400, 32),
}
DEFAULT = AnalogIO()
LOW = AnalogIO(out_bound=0.8)


def plain(key, x, w):
    del key
    return x @ w


def through(io: AnalogIO, backward: AnalogIO | None = None):
    return lambda key, x, w: mvm(key, x, w, io, backward=backward)


PRODUCTS = {
    "plain": plain,
    "perfect": through(AnalogIO.perfect()),
    "default, exact backward": through(DEFAULT),
    "default, default backward": through(DEFAULT, DEFAULT),
    "clipping, default backward": through(LOW, DEFAULT),
}


def forward_backward(product):
    def run(key, x, w, d):
        y, pull = jax.vjp(lambda x, w: product(key, x, w), x, w)
        return y, pull(d)

    return run


def forward(product):
    return lambda key, x, w, d: product(key, x, w)


class Calls:
    """A compiled product, called for a while.

    Attributes:
      compile_seconds: time taken by tracing and compiling.
    """

    def __init__(self, layer: str, run):
        vectors, inputs, outputs = LAYERS[layer]
        keys = jax.random.split(jax.random.key(0), 4)
        w = jax.random.normal(keys[2], (inputs, outputs)) / math.sqrt(inputs)
        x = jax.random.normal(keys[1], (vectors, inputs))
        self._arguments = keys[0], x, w, jax.random.normal(keys[3], (vectors, outputs))
        start = time.perf_counter()
        self._run = jax.jit(run).lower(*self._arguments).compile()
        self.compile_seconds = time.perf_counter() - start
        self._seconds(1)  # The first call is slower.
        self._calls = math.ceil(1.1 * SECONDS / self._seconds(1))

    def _seconds(self, calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            result = self._run(*self._arguments)
        jax.block_until_ready(result)
        return time.perf_counter() - start

    def __call__(self) -> float:
        """Microseconds of a call."""
        return 1e6 * self._seconds(self._calls) / self._calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    rows = []
    for layer in LAYERS:
        for way, make in (("forward", forward), ("forward and backward", forward_backward)):
            runs = {name: Calls(layer, make(product)) for name, product in PRODUCTS.items()}
            times = in_turn(runs, options.rounds)
            for name, values in times.items():
                row = {
                    "layer": layer,
                    "way": way,
                    "product": name,
                    "microseconds": statistics.median(values),
                    "of_plain": median_ratio(values, times["plain"]),
                    "compile_seconds": round(runs[name].compile_seconds, 2),
                    "rounds": values,
                }
                rows.append(row)
                print(f"{layer:16s} {way:21s} {name:27s}", end="")
                print(f" {row['microseconds']:8.1f} us {row['of_plain']:6.2f}")
    write_json(options.out, {"machine": machine(), "products": rows})


if __name__ == "__main__":
    main()
