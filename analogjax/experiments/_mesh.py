"""Sharing a training between the devices of a mesh."""

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec

from analogjax.pulses import Factors
from analogjax.rules import shardings

# Axes of a mesh: over the samples of a mini-batch, and over the columns of matrices.
DATA, TILE = "data", "tile"


def mesh_of(data: int, tile: int) -> Mesh:
    """A mesh of so many devices, the first ones there are.

    Args:
      data: devices that share each mini-batch.
      tile: devices that share the columns of each large matrix.

    Raises:
      ValueError: if a number is below 1, or there are fewer devices.
    """
    for name, number in (("data_devices", data), ("tile_devices", tile)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}.")
    there = jax.devices()
    if data * tile > len(there):
        cpus = "; JAX_NUM_CPU_DEVICES=N makes N of a CPU" if there[0].platform == "cpu" else ""
        raise ValueError(
            f"data_devices={data} times tile_devices={tile} needs {data * tile} devices, there "
            f"are {len(there)}{cpus}."
        )
    devices = np.array(there[: data * tile]).reshape(data, tile)
    return Mesh(devices, (DATA, TILE), axis_types=(AxisType.Auto,) * 2)


def shared_samples(batch: jax.Array) -> jax.Array:
    """The samples of a mini-batch, shared between the devices of the axis ``data``, if any.

    Raises:
      ValueError: if their number is no multiple of that of the devices.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if not _shared(mesh, DATA):
        return batch
    if len(batch) % mesh.shape[DATA]:
        raise ValueError(
            f"batch_size={len(batch)} cannot be shared between {mesh.shape[DATA]} devices: give a "
            f"multiple of them."
        )
    return jax.lax.with_sharding_constraint(batch, PartitionSpec(DATA))


def kept_shared(tree):
    """What a training carries from step to step, held where :func:`shardings` says."""
    mesh = jax.sharding.get_abstract_mesh()
    if not (_shared(mesh, DATA) or _shared(mesh, TILE)):
        return tree
    return jax.lax.with_sharding_constraint(tree, shardings(mesh, tree))


def whole_inputs(factors):
    """Factors (x, delta) with the inputs of every layer whole on each device of the axis ``tile``.

    The columns of a matrix need all of them; JAX would rather send a small matrix around.
    """
    if not _shared(jax.sharding.get_abstract_mesh(), TILE):
        return factors

    def whole(pair: Factors) -> Factors:
        spec = PartitionSpec(*[PartitionSpec.UNCONSTRAINED] * (pair.x.ndim - 1), None)
        return pair._replace(x=jax.lax.with_sharding_constraint(pair.x, spec))

    return jax.tree.map(whole, factors, is_leaf=lambda node: isinstance(node, Factors))


def put_shared(tree):
    """The arrays of a training put where :func:`kept_shared` holds them."""
    mesh = jax.sharding.get_mesh()
    return tree if mesh.empty else jax.device_put(tree, shardings(mesh, tree))


def _shared(mesh, axis: str) -> bool:
    """Whether a program is split along an axis; within ``jax.shard_map`` it is not."""
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    return kinds.get(axis, AxisType.Manual) != AxisType.Manual
