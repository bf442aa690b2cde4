"""A whole grid of trainings as a few compiled calls."""

import math
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from jax.sharding import PartitionSpec

from analogjax.devices import check_count
from analogjax.experiments._stop import Stop, Stopped, never
from analogjax.experiments._sweep_file import Rows, check_outputs, read_rows, write_rows
from analogjax.experiments._sweep_grid import (
    Cell,
    Grid,
    as_traced,
    cells_of,
    columns,
    groups,
    identity,
    kinds,
    static_names,
)

Row = dict[str, Any]
SECONDS = "seconds"
MEMORY_SHARE = 0.7  # Of the memory that is free, for one call.
# LLVM's lighter optimization: trainings run as fast with it, and compile in two thirds of the time.
CPU_OPTIONS: dict[str, Any] = {"xla_backend_optimization_level": 1}


def sweep(
    fn: Callable[..., dict[str, Any]],
    grid: Grid,
    *,
    static: Collection[str] = (),
    at_once: int | None = None,
    out: Path | str | None = None,
    on_rows: Callable[[list[Row]], object] = lambda rows: None,
    stop: Stop = never,
) -> list[Row]:
    """Runs a function on every cell of a grid, many cells in one compiled call.

    The function is a whole training: traced once for each combination of static values, mapped
    over all other values with ``vmap``, and spread over the devices there are. Every draw follows
    from the values of the cell (take the seed from there), so that a cell gives what it gives
    alone, to float rounding, whatever runs beside it. A rule that is given a traced number out of
    its range, such as a gamma of 1.5, makes the weights of that cell NaN.

    Args:
      fn: from the values of a cell, as keyword arguments, to a dictionary of numbers or arrays.
        Values of static names arrive as they are, all others traced: as int32 where all values of
        the name are whole, else as float32.
      grid: the values of each name, of which every combination is a cell; or the cells themselves.
        Values are finite numbers, words, bools or None. A name with a single value is a setting
        that the rows record.
      static: names whose values the function needs to know before tracing, such as a number of
        tiles. Names with a value that is no number are static without being named.
      at_once: cells in one call, split between the devices, each of which gets as many. By default
        as many as the memory that is free takes; to find out costs a second compilation where
        these are not all.
      out: file of JSON lines for the rows, written anew, whole, after each call. Cells that it has
        already are not run again: a sweep that was stopped goes on. Give a function that has
        changed another file.
      on_rows: called with the rows of each call, and first with those that the file had.
      stop: asked before each call whether to end.

    Returns:
      A row a cell, in the order of the grid: its values and the outputs of the function, arrays as
      lists, numbers that are not finite as None; and its share of the ``seconds`` of the call that
      it ran in.

    Raises:
      TypeError: if the function does not return a dictionary of numbers or arrays of them.
      ValueError: for an empty grid, equal cells, an unknown static name, a value or an output named
        "seconds", an output with the name of a value, or a file that holds cells of another sweep.
      Stopped: where ``stop`` came true; the rows so far are in the file.

    Example:
      >>> import jax, jax.numpy as jnp, analogjax
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.experiments import sweep, train_matrix
      >>> def towards(w, key):
      ...     return jnp.ones((1, 1)), w - 0.3
      >>> def train(states, num_tiles, seed):
      ...     rule = analogjax.residual_learning(
      ...         0.1, SoftBounds(dw_min=2.0 / states), key=seed, num_tiles=num_tiles)
      ...     path, _ = train_matrix(rule, jnp.zeros((1, 1)), towards, 40, key=jax.random.key(seed))
      ...     return {"error": abs(path[-1, 0, 0] - 0.3)}
      >>> grid = {"states": [4, 40], "num_tiles": [1, 2], "seed": range(3)}
      >>> rows = sweep(train, grid, static=["num_tiles"])
      >>> len(rows), list(rows[0])
      (12, ['states', 'num_tiles', 'seed', 'error', 'seconds'])
    """
    cells = cells_of(grid)
    names = static_names(cells, static)
    check_at_once(at_once)
    if SECONDS in cells[0]:
        raise ValueError(f"A name of the grid is {SECONDS!r}, as rows call their time: rename it.")
    types = kinds(cells, names)
    cells = as_traced(cells, types)
    path = None if out is None else Path(out)
    rows: Rows = {} if path is None else read_rows(path, cells)
    if rows:
        on_rows(list(rows.values()))
    for values, group in groups([cell for cell in cells if identity(cell) not in rows], names):
        _check_stop(stop, rows, cells)
        call = _Call(fn, values, group, types, at_once)
        if path is not None:
            check_outputs(path, {*call.outputs, SECONDS}, cells, rows)
        for first in range(0, len(group), call.size):
            _check_stop(stop, rows, cells)
            some = group[first : first + call.size]
            new = call(some)
            rows |= {identity(cell): row for cell, row in zip(some, new, strict=True)}
            if path is not None:
                write_rows(path, cells, rows)
            on_rows(new)
    return [rows[identity(cell)] for cell in cells]


def check_at_once(at_once: int | None) -> None:
    """Raises a ValueError if this is no number of trainings in one call."""
    if at_once is not None:
        check_count("at_once", at_once)


def _check_stop(stop: Stop, rows: Rows, cells: list[Cell]) -> None:
    if stop():
        raise Stopped(f"The sweep was stopped after {len(rows)} of {len(cells)} trainings")


class _Call:
    """The function compiled for a number of cells at once, a multiple of that of the devices."""

    def __init__(self, fn, values: Cell, group: list[Cell], types, at_once: int | None):
        self._types = types
        # One cell does not need a second device to repeat it.
        self._devices = jax.local_devices()[: len(group)]
        # In place of a mesh that the caller has set.
        self._mesh = jax.sharding.Mesh(np.array(self._devices), ("sweep",))
        # The place is there for groups without a traced value.
        self._traced = jax.vmap(lambda place, traced: _checked(fn(**values, **traced)))
        self.size = self._whole(min(len(group), at_once or len(group)))
        self._compiled = self._compile(group)
        if at_once is None:
            needed, free = _bytes_needed(self._compiled), _bytes_free(self._devices)
            fitting = int(self.size * MEMORY_SHARE * free / needed)
            if fitting < self.size:
                self.size = self._whole(max(fitting - len(self._devices) + 1, 1))
                self._compiled = self._compile(group)

    def __call__(self, cells: list[Cell]) -> list[Row]:
        """The rows of some cells, at most as many as one call takes."""
        start = time.perf_counter()
        with jax.set_mesh(self._mesh):
            outputs = jax.device_get(self._compiled(*self._arguments(cells)))
        seconds = round((time.perf_counter() - start) / len(cells), 3)
        each = [
            jax.tree.map(lambda leaf, n=n: leaf[n].tolist(), outputs) for n in range(len(cells))
        ]
        return [
            {**cell, **_plain(outputs), SECONDS: seconds}
            for cell, outputs in zip(cells, each, strict=True)
        ]

    def _whole(self, cells: int) -> int:
        return math.ceil(cells / len(self._devices)) * len(self._devices)

    def _arguments(self, cells: list[Cell]):
        """Exactly as many cells as one call takes, the last one repeated."""
        places = np.minimum(np.arange(self.size), len(cells) - 1)
        arrays = columns([cells[place] for place in places], self._types)
        return places, arrays

    def _compile(self, cells: list[Cell]):
        on_cpu = self._devices[0].platform == "cpu"
        spec = PartitionSpec("sweep")
        sharded = jax.shard_map(
            self._traced, mesh=self._mesh, in_specs=spec, out_specs=spec, check_vma=False
        )
        with jax.set_mesh(self._mesh):
            lowered = jax.jit(sharded).lower(*self._arguments(cells[: self.size]))
        self.outputs = _names(lowered.out_info, cells[0])
        return lowered.compile(compiler_options=CPU_OPTIONS if on_cpu else None)


def _checked(outputs):
    """What a function returns, if it is named numbers."""
    if not isinstance(outputs, dict) or not outputs:
        what = "an empty one" if isinstance(outputs, dict) else type(outputs).__name__
        raise TypeError(
            f"A sweep's function must return a dictionary of numbers or arrays, got {what}."
        )
    for name, output in outputs.items():
        if not isinstance(name, str):
            raise TypeError(f"The function returns {name!r}, but names of columns are words.")
        for leaf in jax.tree.leaves(output):
            if not isinstance(leaf, int | float | complex | np.ndarray | np.generic | jax.Array):
                raise TypeError(
                    f"The function returns {name!r} with a {type(leaf).__name__}, but rows hold "
                    f"numbers: name what it stands for in the grid instead."
                )
    return outputs


def _names(outputs: dict, cell: Cell) -> list[str]:
    """The names of what a function returns, whose shapes and types these are."""
    for name in outputs:
        if name == SECONDS or name in cell:
            of = "what rows call their time" if name == SECONDS else "a name of the grid"
            raise ValueError(f"The function returns {name!r}, which is {of}: rename it.")
    for path, leaf in jax.tree_util.tree_leaves_with_path(outputs):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.extended) or leaf.dtype.kind == "c":
            raise TypeError(
                f"The function returns {jax.tree_util.keystr(path)} of type {leaf.dtype}, but rows "
                f"hold real numbers: return, say, its absolute value or jax.random.key_data."
            )
    return [*outputs]


def _plain(value):
    """What JSON knows: named tuples as dictionaries, numbers that are not finite as None."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _bytes_needed(compiled) -> int:
    """What a call holds at most on each device."""
    memory = compiled.memory_analysis()
    return memory.temp_size_in_bytes + memory.output_size_in_bytes + memory.argument_size_in_bytes


def _bytes_free(devices) -> float:
    """What one device can still take; devices of the host share its memory."""
    stats = devices[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return min(
            d.memory_stats()["bytes_limit"] - d.memory_stats()["bytes_in_use"] for d in devices
        )
    return psutil.virtual_memory().available / len(devices)
