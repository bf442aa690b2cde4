"""Shared by all tests: the random number generator, and the recorded data."""

import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest

# These tests compile much and run little; lighter code generation halves their time. A flag that
# XLA does not know ends the process, so the last is for the version it was tried with.
_LIGHT = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
if jax.__version_info__ < (0, 11):
    _LIGHT += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", _LIGHT)
# The workers of pytest share the cores already.
os.environ.setdefault("NPROC", "1")
jax.config.update("jax_default_prng_impl", "threefry2x32")
jax.config.update("jax_threefry_partitionable", True)

collect_ignore = ["data"]  # How recorded data were made needs what no test does.

_DATA = Path(__file__).parent / "data"


@pytest.fixture
def recorded():
    """Reads one recorded case: ``recorded(file, case) -> (settings, arrays)``."""

    def read(file: str, case: str):
        settings = json.loads((_DATA / f"{file}.json").read_text())[case]
        with np.load(_DATA / f"{file}.npz") as arrays:
            parts = {name: arrays[name] for name in arrays.files if name.split("/")[0] == case}
        return settings, {name.removeprefix(f"{case}/"): array for name, array in parts.items()}

    return read
