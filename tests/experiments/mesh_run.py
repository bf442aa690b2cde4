"""Trains a small network on several meshes of virtual devices, for test_mesh.

Usage: JAX_NUM_CPU_DEVICES=8 python mesh_run.py RULE DATAxTILE ...; prints a line of JSON a mesh.
With ``--process RANK PROCESSES PORT`` it is one of several processes that share the mesh.
"""

import json
import re
import sys

import jax
import numpy as np
import optax
from flax import linen as nn
from jax.experimental import multihost_utils

import analogjax
from analogjax.devices import SoftBounds
from analogjax.experiments import ImageSet, make_training
from analogjax.nn import labels
from analogjax.nn import linen as ann
from analogjax.rules import tile_stacks

BATCH, LINES = 8, 64
DEVICE = SoftBounds.with_states(10)
RULES = {
    "analog-sgd": lambda key: analogjax.analog_sgd(0.3, DEVICE, key=key),
    "residual-learning": lambda key: analogjax.residual_learning(
        0.3, DEVICE, key=key, num_tiles=3, transfer_every=2, warm_start=analogjax.Stages(4)
    ),
}
# An instruction of a compiled program that moves data between devices, with what it gives.
COLLECTIVE = re.compile(
    r"= (\([^)]*\)|\S+) "
    r"(all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|ragged-all-to-all)\("
)
ARRAY = re.compile(r"(\w+)\[([\d,]*)\]")


class Net(nn.Module):
    """Two large matrices and a small one."""

    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = nn.relu(ann.Dense(LINES)(x))
        return ann.Dense(10)(x)


def collectives(text: str) -> list[list]:
    """Each array that a program moves: the operation, its type, its shape without ones."""
    return [
        [operation, kind, [int(n) for n in shape.split(",") if n not in ("", "1")]]
        for given, operation in COLLECTIVE.findall(text)
        for kind, shape in ARRAY.findall(re.sub(r"\{[\d,]*\}|/\*.*?\*/", "", given))
    ]


def images() -> ImageSet:
    """Four mini-batches of noise; labels that follow from it."""
    x = np.random.default_rng(0).normal(size=(4 * BATCH, LINES)).astype(np.float32)
    y = x[:, :10].argmax(1).astype(np.int32)
    return ImageSet(x, y, x[:BATCH], y[:BATCH])


def train(rule: str, data: int, tile: int) -> dict:
    """Two epochs on a mesh: their losses, the pulses, all conductances, and what was moved."""

    def optimizer(key):
        return optax.partition({"analog": RULES[rule](key), "digital": optax.sgd(0.1)}, labels)

    training = make_training(Net(), optimizer, images(), batch_size=BATCH)
    kinds, devices = (jax.sharding.AxisType.Auto,) * 2, jax.devices()[: data * tile]
    mesh = jax.make_mesh((data, tile), ("data", "tile"), kinds, devices=devices)
    key = jax.random.key(0)
    with jax.set_mesh(mesh):
        where = analogjax.shardings(mesh, jax.eval_shape(training.init, key))
        state = jax.jit(training.init, out_shardings=where)(key)
        epoch = jax.jit(training.epoch).lower(state).compile()
        losses = []
        for _ in range(2):
            state, report = epoch(state)
            losses.append(float(report.train_loss))
    kept = jax.tree.map(lambda a, own: a.sharding.is_equivalent_to(own, a.ndim), state, where)
    stacks = multihost_utils.process_allgather(tile_stacks(state.opt_state), tiled=True)
    weights = [tile.w for stack in stacks.values() for tile in stack.tiles]
    return {
        "losses": losses,
        "pulses": float(report.pulses),
        "weights": [np.asarray(w).tolist() for w in weights],
        "kept": all(jax.tree.leaves(kept)),
        "moved": collectives(epoch.as_text()),
    }


if __name__ == "__main__":
    rule, *shapes = sys.argv[1:]
    if "--process" in shapes:
        *shapes, _, rank, processes, port = shapes
        jax.distributed.initialize(f"localhost:{port}", int(processes), int(rank))
    for shape in shapes:
        print(json.dumps(train(rule, *map(int, shape.split("x")))), flush=True)
