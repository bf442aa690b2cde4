"""Whether a program is being split between devices."""

import jax
from jax.sharding import AxisType


def on_mesh() -> bool:
    """Whether JAX may split arrays between devices: within a mesh set by ``jax.set_mesh``.

    Work whose extent follows from the data cannot be split, and pulses are then counted in a fixed
    number of operations. Within ``jax.shard_map`` arrays are whole, and nothing is split.
    """
    mesh = jax.sharding.get_abstract_mesh()
    return any(kind != AxisType.Manual for kind in mesh.axis_types)
