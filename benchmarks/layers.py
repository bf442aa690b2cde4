"""What an analog layer costs against flax's own, and a step of whole converted models.

Usage: python benchmarks/layers.py [--rounds N] [--models] [--out FILE]

A layer goes forward and backward, with the gradients of its parameters and inputs: flax's own, the
analog one without converters, with perfect ones, and with the default ones in both directions.
Calls follow each other in turn, round after round, and a ratio is the median over rounds of the
ratio within a round. ``--models`` adds one training step, with the factors gathered, of ResNet-18
(stages 3 and 4 and the head analog, images of 32 by 32) and of a character transformer (six layers
of width 384, every kernel analog), by plain SGD and by residual learning on two tiles. The record
goes to results/layers.json.
"""

import argparse
import math
import statistics
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
from _timing import in_turn, machine, median_ratio
from flax import linen as nn

import analogjax
from analogjax.devices import SoftBounds
from analogjax.experiments import CharTransformer, ResNet18
from analogjax.experiments._files import write_json
from analogjax.nn import Analog
from analogjax.nn import linen as ann
from analogjax.periphery import AnalogIO

RESULT = Path(__file__).parent / "results" / "layers.json"
SECONDS = 0.1  # Least length of one timing.
# Kind and arguments of a layer, and the shape of its inputs.
LAYERS = {
    "dense 512, batch 64": ("Dense", {"features": 512}, (64, 512)),
    "conv 3x3, 32 to 32, batch 8": (
        "Conv",
        {"features": 32, "kernel_size": (3, 3)},
        (8, 16, 16, 32),
    ),
    "attention 128, 4 heads, 8 x 32": ("MultiHeadAttention", {"num_heads": 4}, (8, 32, 128)),
}
WAYS = {
    "flax": None,
    "no converters": {},
    "perfect": {"io": AnalogIO.perfect(), "io_backward": AnalogIO.perfect()},
    "default": {"io": AnalogIO(), "io_backward": AnalogIO()},
}
KEY = jax.random.key(0)


class Calls:
    """A compiled function, called for a while."""

    def __init__(self, run, *arguments):
        start = time.perf_counter()
        self._run, self._arguments = jax.jit(run).lower(*arguments).compile(), arguments
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


def layer_calls(name: str, way: str) -> Calls:
    kind, arguments, shape = LAYERS[name]
    settings = WAYS[way]
    layer = getattr(nn if settings is None else ann, kind)(**arguments, **(settings or {}))
    x = jax.random.normal(KEY, shape)
    params = jax.jit(layer.init)(KEY, x)["params"]

    def run(params, x, key):
        def loss(params, x):
            y = layer.apply({"params": params}, x, rngs={"analog": key})
            return jnp.sum(jnp.sin(y))

        return jax.value_and_grad(loss, (0, 1))(params, x)

    return Calls(run, params, x, KEY)


# Model, its analog kernels, inputs and labels of a mini-batch, further arguments of a call.
MODELS = {
    "ResNet-18, batch 8": (
        lambda: ResNet18(),
        "(stage[34]_.*|head)/kernel$",
        lambda: jax.random.normal(KEY, (8, 32, 32, 3)),
        lambda: jnp.arange(8) % 10,
        {"train": True},
    ),
    "transformer, batch 4 x 64": (
        lambda: CharTransformer(65),
        "kernel$",
        lambda: jax.random.randint(KEY, (4, 64), 0, 65),
        lambda: jax.random.randint(KEY, (4, 64), 0, 65),
        {},
    ),
}
TRAININGS = ("flax, SGD", "converted, SGD", "default converters, residual learning")


def model_calls(name: str, training: str) -> Calls:
    make, pattern, inputs, labels, kwargs = MODELS[name]
    model, x, y = make(), inputs(), labels()
    tx, on_tiles = optax.sgd(0.01), training == TRAININGS[2]
    if training != TRAININGS[0]:
        io = AnalogIO() if on_tiles else None
        model = ann.convert(model, [(pattern, Analog(io=io, io_backward=io))])
    if on_tiles:
        device = SoftBounds.with_states(100)
        rule = analogjax.residual_learning(0.01, device, key=0, num_tiles=2, transfer_every=2)
        tx = analogjax.by_path({pattern: rule}, otherwise=tx)
    variables = jax.jit(model.init)(KEY, x)
    state = jax.jit(tx.init)(variables["params"])

    def step(variables, state, key):
        params = variables["params"]
        taps = ann.taps(model, variables, x, **kwargs) if on_tiles else {}

        def loss(params, taps):
            given = {**variables, "params": params, "taps": taps}
            logits, changed = model.apply(
                given, x, rngs={"analog": key}, mutable=["batch_stats"], **kwargs
            )
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
            return loss, changed

        (value, changed), (grads, factors) = jax.value_and_grad(loss, (0, 1), has_aux=True)(
            params, taps
        )
        extra = {"value": value, "factors": factors} if on_tiles else {}
        updates, state = tx.update(grads, state, params, **extra)
        return {"params": optax.apply_updates(params, updates), **changed}, state, value

    return Calls(step, variables, state, KEY)


def measure(names, variants, make, rounds: int) -> list[dict]:
    """Times of every variant, as ratios of the first one's."""
    rows = []
    for name in names:
        runs = {variant: make(name, variant) for variant in variants}
        times = in_turn(runs, rounds)
        base = next(iter(times.values()))
        for variant, values in times.items():
            row = {
                "name": name,
                "variant": variant,
                "microseconds": statistics.median(values),
                "of_flax": median_ratio(values, base),
                "compile_seconds": round(runs[variant].compile_seconds, 2),
                "rounds": values,
            }
            rows.append(row)
            print(f"{name:32s} {variant:38s} {row['microseconds']:10.1f} us", end="")
            print(f" {row['of_flax']:6.2f}  compiled in {row['compile_seconds']} s", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--models", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    record = {
        "machine": machine(),
        "layers": measure(LAYERS, WAYS, layer_calls, options.rounds),
    }
    if options.models:
        record["models"] = measure(MODELS, TRAININGS, model_calls, 3)
    write_json(options.out, record)


if __name__ == "__main__":
    main()
