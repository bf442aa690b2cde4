"""Trainings shared between devices: the same numbers, and little sent around."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import mesh_run
import numpy as np
import pytest
from jax.sharding import AbstractMesh, AxisType

import analogjax
from analogjax.experiments._mesh import mesh_of, shared_samples

FILE = Path(mesh_run.__file__)
AUTO = (AxisType.Auto,) * 2


def start(devices: int, *args) -> subprocess.Popen:
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    command = [sys.executable, FILE, *map(str, args)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def trained(*processes: subprocess.Popen) -> list[dict]:
    """What the meshes of each process gave, after one another."""
    try:
        with ThreadPoolExecutor() as pool:  # Else one waits for another whose pipe is full.
            outputs = list(pool.map(lambda own: own.communicate(timeout=1800)[0], processes))
    finally:
        for process in processes:
            process.kill()
    assert not any(process.returncode for process in processes)
    lines = "".join(outputs).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def assert_same(runs: list[dict]) -> None:
    """Each run drew what the first one did, and each array stayed where it was put."""
    for run in runs:
        assert run["kept"]
        assert run["pulses"] == runs[0]["pulses"] > 0
        np.testing.assert_allclose(run["losses"], runs[0]["losses"], rtol=1e-6)
        for own, first in zip(run["weights"], runs[0]["weights"], strict=True):
            np.testing.assert_allclose(own, first, rtol=0, atol=1e-6)


def assert_little_moved(run: dict, data: int, tile: int) -> None:
    """Pulse counts of the devices' samples are summed; else only vectors move, and no weight.

    Vectors are the inputs, outputs and errors of layers and what there is one of for each sample
    or line.
    """
    arrays = [(operation, kind, shape) for operation, kind, shape in run["moved"]]
    counts = [(op, shape) for op, kind, shape in arrays if kind == "s32" and len(shape) == 2]
    lines = mesh_run.LINES
    # The two large matrices are stepped by one loop.
    large, small = ("all-reduce", [lines, lines // tile]), ("all-reduce", [lines, 10])
    assert sorted(counts) == sorted([large] * 2 + [small] * 2 if data > 1 else [])
    for _, kind, shape in arrays:
        if kind != "s32" or len(shape) != 2:
            assert int(np.prod(shape)) <= mesh_run.BATCH * lines
            assert len(shape) < 2 or shape[0] <= mesh_run.BATCH
    if tile == 1:
        assert {operation for operation, *_ in arrays} <= {"all-reduce"}


def test_devices_change_no_draw_and_move_no_weight():
    meshes = [(1, 1), (2, 4)]
    runs = trained(start(8, "analog-sgd", *(f"{data}x{tile}" for data, tile in meshes)))
    assert_same(runs)
    assert runs[0]["moved"] == []
    assert_little_moved(runs[1], *meshes[1])


@pytest.mark.slow
@pytest.mark.parametrize("rule", sorted(mesh_run.RULES))
def test_all_meshes(rule):
    meshes = [(1, 1), (2, 1), (1, 2), (2, 2), (8, 1), (1, 8), (4, 2), (2, 4)]
    runs = trained(start(8, rule, *(f"{data}x{tile}" for data, tile in meshes)))
    assert_same(runs)
    for run, mesh in zip(runs, meshes, strict=True):
        assert_little_moved(run, *mesh)


@pytest.mark.slow
def test_two_processes_draw_what_one_does():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    rule, mesh = "residual-learning", "2x2"
    both = [start(2, rule, mesh, "--process", rank, "2", port) for rank in range(2)]
    assert_same(trained(*both, start(4, rule, mesh)))


def test_large_matrices_are_shared_by_columns():
    mesh = AbstractMesh((2, 4), ("data", "tile"), AUTO)
    tree = {
        "large": jnp.zeros((64, 64)),
        "of several seeds": jnp.zeros((2, 64, 64)),
        "indivisible": jnp.zeros((64, 66)),
        "small": jnp.zeros((8, 8)),
        "vector": jnp.zeros(8192),
        "key": jax.random.key(0),
    }
    shared = analogjax.shardings(mesh, tree)
    specs = {name: tuple(own.spec) for name, own in shared.items() if own.spec}
    assert specs == {"large": (None, "tile"), "of several seeds": (None, None, "tile")}
    small = analogjax.shardings(mesh, tree["small"], at_least=64)
    assert tuple(small.spec) == (None, "tile")
    other = AbstractMesh((2, 4), ("x", "y"), AUTO)
    assert not any(own.spec for own in jax.tree.leaves(analogjax.shardings(other, tree)))
    assert tuple(analogjax.shardings(other, tree["large"], axis="x").spec) == (None, "x")


def test_explicit_axes_are_refused():
    mesh = jax.make_mesh((1, 1), ("data", "tile"), (AxisType.Explicit,) * 2)
    with pytest.raises(ValueError, match=r"axis_types=\(jax.sharding.AxisType.Auto,\) \* 2"):
        analogjax.shardings(mesh, jnp.zeros((2, 2)))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0, 1), "data_devices must be at least 1, got 0"),
        ((1, -2), "tile_devices must be at least 1, got -2"),
        ((64, 2), "needs 128 devices, there are .*JAX_NUM_CPU_DEVICES=N"),
    ],
)
def test_impossible_meshes_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        mesh_of(*numbers)


def test_a_mini_batch_that_cannot_be_shared_is_refused():
    mesh = AbstractMesh((2, 1), ("data", "tile"), AUTO)
    with jax.sharding.use_abstract_mesh(mesh):
        with pytest.raises(ValueError, match="batch_size=5 cannot be shared between 2 devices"):
            jax.eval_shape(shared_samples, jnp.zeros(5))
        assert jax.eval_shape(shared_samples, jnp.zeros(6)).shape == (6,)
