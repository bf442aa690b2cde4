"""Sweeps: a row a cell, the same as alone, compiled once a group, resumed where they stopped."""

import concurrent.futures
import json
import math
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax
from analogjax.devices import SoftBounds
from analogjax.experiments import sweep, train_matrix
from analogjax.experiments._sweep_file import write_rows
from analogjax.experiments._sweep_grid import cells_of, identity
from analogjax.pulses import Factors

GRID = {"rate": [0.1, 0.2], "power": [1, 2], "seed": [0, 1, 2]}


def decay(rate, power, seed):
    """A cheap function of all its values; ``power`` must be known before tracing."""
    noise = jax.random.normal(jax.random.key(seed))
    return {"end": sum(rate for _ in range(power)) + noise, "path": jnp.stack([rate, noise])}


def by_hand(cell):
    noise = float(jax.random.normal(jax.random.key(cell["seed"])))
    return cell["power"] * cell["rate"] + noise


class Counted:
    """``decay``, with the static values of each tracing."""

    def __init__(self):
        self.traced = []

    def __call__(self, rate, power, seed):
        self.traced.append(power)
        return decay(rate, power, seed)


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def timeless(rows):
    """The rows without their times, which no two calls have alike."""
    assert all(row["seconds"] >= 0 for row in rows)
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_a_row_a_cell_in_the_order_of_the_grid():
    fn = Counted()
    rows = sweep(fn, GRID, static=["power"])
    assert fn.traced == [1, 2]  # Traced, and so compiled, once for each.
    assert [{name: row[name] for name in GRID} for row in rows] == cells_of(GRID)
    assert [*rows[0]] == ["rate", "power", "seed", "end", "path", "seconds"]
    np.testing.assert_allclose([row["end"] for row in rows], [*map(by_hand, rows)], rtol=1e-6)
    assert all(isinstance(row["path"], list) and len(row["path"]) == 2 for row in rows)


def test_cells_can_be_given_one_by_one():
    cells = [{"rate": 0.1, "power": 2, "seed": 0}, {"rate": 0.4, "power": 2, "seed": 5}]
    rows = sweep(decay, cells, static=["power"])
    np.testing.assert_allclose([row["end"] for row in rows], [*map(by_hand, cells)], rtol=1e-6)


def test_words_and_nothing_are_static_without_being_named():
    def fn(kind, seed):
        return {"value": {"one": 1.0, None: 2.0}[kind] + seed}

    rows = sweep(fn, {"kind": ["one", None], "seed": [0, 1]})
    assert [row["value"] for row in rows] == [1.0, 2.0, 2.0, 3.0]
    assert [row["value"] for row in sweep(lambda kind: {"value": len(kind)}, {"kind": "one"})] == [
        3
    ]


@pytest.mark.parametrize("at_once", [1, 2, 4, 99])
def test_the_size_of_a_call_changes_no_row(at_once):
    fn, calls = Counted(), []
    rows = sweep(fn, GRID, static=["power"], at_once=at_once, on_rows=calls.append)
    assert timeless(rows) == timeless(sweep(decay, GRID, static=["power"]))
    assert len(fn.traced) == 2
    devices = jax.local_device_count()
    assert max(map(len, calls)) == min(-(-at_once // devices) * devices, 6)


def test_what_does_not_fit_the_memory_is_split(monkeypatch):
    monkeypatch.setattr("analogjax.experiments._sweep._bytes_free", lambda devices: 200)
    calls = []
    rows = sweep(decay, GRID, static=["power"], on_rows=calls.append)
    assert timeless(rows) == timeless(sweep(decay, GRID, static=["power"], at_once=6))
    assert max(map(len, calls)) < 6


def test_a_training_gives_the_same_as_alone():
    def towards(w, key):
        return jnp.ones((1, 1)), w - jnp.array([[0.3, -0.5]])

    def train(states, num_tiles, seed):
        device = SoftBounds.with_states(states)
        rule = analogjax.residual_learning(0.1, device, key=seed, num_tiles=num_tiles)
        path, _ = train_matrix(rule, jnp.zeros((1, 2)), towards, 20, key=jax.random.key(seed))
        return {"w": path[-1, 0]}

    rows = sweep(train, {"states": [4, 10], "num_tiles": [2], "seed": [0, 1]}, static=["num_tiles"])
    alone = jax.jit(lambda states, seed: train(states, 2, seed)["w"])
    assert any(row["w"] != [0.0, 0.0] for row in rows)
    for row in rows:
        np.testing.assert_allclose(row["w"], alone(row["states"], row["seed"]), atol=1e-6)


def test_a_sweep_that_was_stopped_goes_on(tmp_path):
    path, seen = tmp_path / "made" / "cells.jsonl", []

    def stop_after_the_first(rows):
        raise KeyboardInterrupt

    options = {"static": ["power"], "out": path, "at_once": 4}
    with pytest.raises(KeyboardInterrupt):
        sweep(decay, GRID, **options, on_rows=stop_after_the_first)
    assert len(rows_of(path)) == 4
    rows = sweep(decay, GRID, **options, on_rows=seen.append)
    assert [len(part) for part in seen] == [4, 4, 2, 2]  # Those of the file, and then the others.
    assert timeless(rows) == timeless(sweep(decay, GRID, static=["power"]))
    assert rows == rows_of(path)
    fn = Counted()
    assert sweep(fn, GRID, **options) == rows
    assert fn.traced == []
    assert [file.name for file in path.parent.iterdir()] == ["cells.jsonl"]


def test_two_sweeps_of_one_file_keep_each_others_rows(tmp_path):
    path = tmp_path / "cells.jsonl"
    # Of a compiled call each, however many devices there are.
    first, second, third = ({"rate": 0.1, "power": power, "seed": 0} for power in (1, 2, 3))
    options = {"static": ["power"], "out": path}
    others = []

    def meanwhile(rows):
        if not others:
            others.extend(sweep(decay, [first, third], **options))

    rows = sweep(decay, [first, second], **options, on_rows=meanwhile)
    assert [row["power"] for row in rows] == [1, 2]
    assert rows_of(path) == [*rows, others[1]]


def test_a_file_of_another_sweep_is_left_alone(tmp_path):
    path = tmp_path / "cells.jsonl"
    sweep(decay, GRID, static=["power"], out=path)
    before = path.read_text()
    with pytest.raises(ValueError, match="line 1 is not a cell of this sweep"):
        sweep(decay, {**GRID, "rate": [0.3]}, static=["power"], out=path)
    assert path.read_text() == before
    path.write_text('{"rate": 0.1\n')
    with pytest.raises(ValueError, match=r"line 1 is not a row .*: delete that line"):
        sweep(decay, GRID, static=["power"], out=path)


def test_rows_with_a_name_more_are_no_rows_of_a_grid_without_it(tmp_path):
    path = tmp_path / "cells.jsonl"
    options = {"static": ["power"], "out": path}
    sweep(decay, {**GRID, "power": [1]}, **options)
    with pytest.raises(ValueError, match="line 4 is not a cell of this sweep"):
        sweep(
            lambda power, seed: decay(0.1, power, seed), {"power": 1, "seed": range(4)}, **options
        )


def test_a_function_with_other_outputs_than_the_file_is_refused(tmp_path):
    path = tmp_path / "cells.jsonl"
    sweep(lambda seed: {"a": seed}, {"seed": [0, 1]}, out=path)
    before = path.read_text()
    with pytest.raises(ValueError, match=r"have \['a', 'seconds'\], but the function now gives"):
        sweep(lambda seed: {"a": seed, "b": seed}, {"seed": [0, 1, 2]}, out=path)
    assert path.read_text() == before


def test_a_cell_has_the_type_of_its_name_whatever_is_on_file(tmp_path):
    def halved(rate):
        w = jnp.full((2,), rate)
        return {"half": w.at[0].set(w[0] / 2)[0]}

    path = tmp_path / "cells.jsonl"
    sweep(halved, {"rate": [2.5]}, out=path)
    for options in ({"out": path}, {"at_once": 1}):
        assert [row["half"] for row in sweep(halved, {"rate": [2.5, 1]}, **options)] == [1.25, 0.5]


def test_a_sweep_has_a_mesh_of_its_own():
    mesh = jax.make_mesh((1, 1), ("data", "tile"), (jax.sharding.AxisType.Auto,) * 2)
    with jax.set_mesh(mesh):
        rows = sweep(decay, GRID, static=["power"])
    assert timeless(rows) == timeless(sweep(decay, GRID, static=["power"]))


def test_a_number_alone_is_a_setting():
    rows = sweep(lambda x, n: {"y": n * x}, {"x": 0.5, "n": [1, 2]})
    assert [row["y"] for row in rows] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (None, "got NoneType"),
        ({}, "got an empty one"),
        ({"key": jax.random.key(0)}, r"returns \['key'\] of type key<fry>"),
        ({"wave": jnp.array(1j)}, r"returns \['wave'\] of type complex64"),
    ],
)
def test_outputs_that_are_no_numbers_are_refused(output, message):
    with pytest.raises(TypeError, match=message):
        sweep(lambda seed: output, {"seed": [0]})


def test_what_is_not_finite_is_none(tmp_path):
    path = tmp_path / "cells.jsonl"
    rows = sweep(
        lambda x: {
            "log": jnp.log(x),
            "both": x / jnp.array([1.0, 0.0]),
            "named": Factors(x, (jnp.log(x),)),
        },
        {"x": [-1.0]},
        out=path,
    )
    named = {"x": -1.0, "d": [None]}
    assert timeless(rows) == [{"x": -1.0, "log": None, "both": [-1.0, None], "named": named}]
    assert rows == rows_of(path)


def test_rows_of_whole_numbers_are_none_of_a_grid_with_fractions(tmp_path):
    """There the whole numbers are traced as floats, too."""
    out = tmp_path / "rows.jsonl"
    rows = sweep(lambda x: {"half": x // 2}, {"x": [1, 3]}, out=out)
    assert [row["half"] for row in rows] == [0, 1]
    with pytest.raises(ValueError, match="line 1 is not a cell of this sweep"):
        sweep(lambda x: {"half": x / 2}, {"x": [1, 3, 0.5]}, out=out)
    rows = sweep(lambda x: {"half": x / 2}, {"x": [1, 3, 0.5]})
    assert [repr(row["x"]) for row in rows] == ["1.0", "3.0", "0.5"]
    assert [row["half"] for row in rows] == [0.5, 1.5, 0.25]


@pytest.mark.parametrize("output", [{"a": "word"}, {3: 1.0}, {"a": {"b": object()}}])
def test_outputs_that_are_no_named_numbers(output):
    with pytest.raises(TypeError, match=r"The function returns .*, but (rows|names)"):
        sweep(lambda x: output, {"x": [1.0]})


def test_several_that_write_one_file_lose_no_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    cells = cells_of({"x": range(64)})

    def write(first):
        rows = {}
        for cell in cells[first::8]:
            rows[identity(cell)] = {**cell, "y": 0}
            write_rows(path, cells, rows)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert sorted(row["x"] for row in rows_of(path)) == list(range(64))


def test_cells_are_spread_over_devices():
    code = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
import jax.numpy as jnp
from analogjax.experiments import sweep
fn = lambda x, seed: {"y": x + jax.random.uniform(jax.random.key(seed))}
calls = []
rows = sweep(fn, {"x": [1.0, 2.0, 4.0], "seed": [3]}, at_once=1, on_rows=calls.append)
print([len(part) for part in calls], [round(row["y"] - row["x"], 5) for row in rows])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    draw = round(float(jax.random.uniform(jax.random.key(3))), 5)
    assert done.stdout.strip() == f"[2, 1] {[draw] * 3}"


def test_one_cell_runs_on_one_device_only():
    code = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
from analogjax.experiments import sweep
seen = []
def fn(x):
    jax.debug.callback(lambda x: seen.append(float(x)), x)
    return {"y": x}
sweep(fn, {"x": [1.0]})
jax.effects_barrier()
print(seen)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[1.0]"


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        ({}, {}, "no cells"),
        ({"rate": [], "power": [1]}, {}, "no cells"),
        ([{"rate": 0.1}, {"power": 1}], {}, "same names"),
        ({"rate": [0.1, 0.1]}, {}, "twice"),
        ({"rate": [SoftBounds()]}, {}, "SoftBounds: give it a name"),
        ({"seed": [2**31]}, {}, "seed must be a number of int32, got 2147483648"),
        ({"rate": [1e-60, 0.1]}, {}, "rate must be a number of float32, got 1e-60"),
        ({"rate": [2**24 + 1, 0.1]}, {}, "rate must be a number of float32, got 16777217"),
        ({"rate": [0.1, math.inf]}, {}, "values of 'rate' must be finite, got inf"),
        ({"seconds": [1]}, {}, "A name of the grid is 'seconds', as rows call their time"),
        ({"rate": [0.1]}, {"static": ["tiles"]}, "static names 'tiles', but the grid has rate"),
        ({"rate": [0.1]}, {"at_once": 0}, "at_once must be a whole number of at least 1"),
        ({"end": [0.1]}, {}, "returns 'end'"),
    ],
)
def test_mistakes_are_told_in_one_sentence(grid, options, message):
    with pytest.raises(ValueError, match=message):
        sweep(lambda **values: {"end": sum(values.values())}, grid, **options)


def test_a_function_must_return_a_dictionary():
    with pytest.raises(TypeError, match="must return a dictionary"):
        sweep(lambda x: x, {"x": [1.0]})
