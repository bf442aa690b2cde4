"""Where the arrays of a training lie when several devices share them."""

import math

import jax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

# Entries below which sharing an array costs more than it saves.
SMALL = 64 * 64


def shardings(mesh: Mesh | AbstractMesh, tree, *, axis: str = "tile", at_least: int = SMALL):
    """Where the arrays of a training lie on a mesh: the columns of large matrices are shared out.

    Parameters and what an optimizer keeps for them are shared alike: each device has some columns
    of every tile, with their crosspoints' constants, so that pulses, and transfers of input lines,
    need nothing from another device. Everything else is whole on each.

    Args:
      mesh: the devices, from ``jax.make_mesh``.
      tree: parameters, the state of an optimizer or of a training; arrays or their shapes.
      axis: name of the axis of the mesh along which columns are shared; whole matrices if the mesh
        has none of that name.
      at_least: entries from which on a matrix counts as large.

    Returns:
      The same tree of ``NamedSharding``, for ``jax.device_put`` and ``jax.jit``. A matrix whose
      columns the axis does not divide stays whole.

    Raises:
      ValueError: if the mesh has explicit axes: which part of an array lies where is left to JAX.

    Example:
      >>> import jax, jax.numpy as jnp, analogjax
      >>> mesh = jax.make_mesh((1, 1), ("data", "tile"), (jax.sharding.AxisType.Auto,) * 2)
      >>> params = {"kernel": jnp.ones((128, 64)), "bias": jnp.zeros(64)}
      >>> [tuple(own.spec) for own in jax.tree.leaves(analogjax.shardings(mesh, params))]
      [(), (None, 'tile')]
    """
    if AxisType.Explicit in mesh.axis_types:
        raise ValueError(
            f"The mesh has axes of types {mesh.axis_types}: make it with "
            f"axis_types=(jax.sharding.AxisType.Auto,) * {len(mesh.axis_names)}."
        )

    def sharding(leaf) -> NamedSharding:
        large = leaf.ndim > 1 and math.prod(leaf.shape) >= at_least
        shared = large and axis in mesh.axis_names and leaf.shape[-1] % mesh.shape[axis] == 0
        spec = PartitionSpec(*[None] * (leaf.ndim - 1), axis) if shared else PartitionSpec()
        return NamedSharding(mesh, spec)

    return jax.tree.map(sharding, tree)
