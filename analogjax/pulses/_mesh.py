"""Whether a program is being split between devices, and what suits it then."""

from collections.abc import Callable
from typing import TypeVar

import jax
from jax.sharding import AxisType

Outcome = TypeVar("Outcome")


def on_mesh() -> bool:
    """Whether JAX may split arrays between devices: within a mesh set by ``jax.set_mesh``.

    Work whose extent follows from the data cannot be split, and pulses are then counted in a fixed
    number of operations. Within ``jax.shard_map`` arrays are whole, and nothing is split.
    """
    mesh = jax.sharding.get_abstract_mesh()
    return any(kind != AxisType.Manual for kind in mesh.axis_types)


def on_one_cpu(here: Callable[[], Outcome], elsewhere: Callable[[], Outcome]) -> Outcome:
    """``here()`` on a CPU that has whole arrays, else ``elsewhere()``.

    Other processors are slow at loops that end when the data say so, and at lists, and the work of
    these cannot be split.
    """
    if on_mesh():
        return elsewhere()
    return jax.lax.platform_dependent(cpu=here, default=elsewhere)
