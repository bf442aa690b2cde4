"""Whole products against those of an independent simulator."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.periphery import AnalogIO, mvm, running_abs_max

DATA = Path(__file__).parents[1] / "data"
SETTINGS = {file: json.loads((DATA / f"{file}.json").read_text()) for file in ("analog_mvm", "mvm")}
CASES = [(file, case) for file, cases in SETTINGS.items() for case in cases]
EXACT = [(f, c) for f, c in CASES if SETTINGS[f][c]["reps"] == 1]
NOISY = [(f, c) for f, c in CASES if SETTINGS[f][c]["reps"] > 1]
WORDS = {"None": "none", "AbsMax": "abs_max", "Iterative": "iterative"}  # of analog_mvm.json
SIZES = ("n_in", "n_out", "batch", "reps")


def fields(settings):
    return {k: WORDS.get(v, v) for k, v in settings.items() if k not in SIZES}


def converters(settings, arrays):
    """The converters of a case, with what the simulator has drawn for its lines."""
    io = AnalogIO(**fields(settings))
    drawn = {
        "v_offset": arrays.get("v_offset", 0.0),
        "out_nonlinearity": arrays.get("out_nonlinearity", 0.0) * io.out_bound,
        "out_noise": arrays.get("out_noise_values", io.out_noise),
        "w_read_asymmetry": 1 - arrays["w_asymmetry"].reshape(arrays["w"].shape).T
        if "w_asymmetry" in arrays
        else 0.0,
    }
    spreads = [name for name in fields(settings) if name.endswith(("_std", "_dtod"))]
    return AnalogIO(**{**fields(settings), **drawn, **dict.fromkeys(spreads, 0.0)})


def product(case, key, x, w, io):
    """The product of a case, or its backward product, of inputs ``(batch, out)``."""
    if not case.startswith("backward"):
        scale = running_abs_max(-1.0, x)[1] if io.noise_management == "average_abs_max" else None
        return mvm(key, x, w.T, io, input_scale=scale)
    forward = jax.vjp(lambda x: mvm(key, x, w.T, io, backward=io), jnp.zeros((len(x), w.shape[1])))
    return forward[1](x)[0]


@pytest.mark.parametrize(("file", "case"), EXACT)
def test_product_without_noise_is_the_recorded_one(recorded, file, case):
    settings, arrays = recorded(file, case)
    io = converters(settings, arrays)
    x, w = jnp.asarray(arrays["x"]), jnp.asarray(arrays["w"])
    y = product(case, jax.random.key(0), x, w, io)
    wrong = np.abs(y - arrays["mean"]) > 2e-6 * (1 + np.abs(arrays["mean"]))
    # Where a value sits on the edge between two steps, rounding decides: one in a hundred at most.
    assert wrong.mean() <= (0 if io.out_res < 0 and io.inp_res < 0 else 0.01)


@pytest.mark.parametrize(("file", "case"), NOISY)
def test_noisy_product_has_the_recorded_mean_and_spread(recorded, file, case):
    settings, arrays = recorded(file, case)
    io = converters(settings, arrays)
    x, w = jnp.asarray(arrays["x"]), jnp.asarray(arrays["w"])
    keys = jax.random.split(jax.random.key(1), settings["reps"])
    draws = jax.jit(jax.vmap(lambda key: product(case, key, x, w, io)))(keys)
    mean, std = np.mean(draws, 0), np.std(draws, 0)
    error = arrays["std"] * np.sqrt(2 / settings["reps"])
    assert np.max(np.abs(mean - arrays["mean"]) / error) < 4.5
    # The square of a spread varies with the fourth moment, which of rounded values is large.
    fourth = np.mean((draws - mean) ** 4, 0) / std**4
    relative = np.sqrt((fourth - 1) / (2 * settings["reps"]))
    assert np.max(np.abs(std / arrays["std"] - 1) / relative) < 4.5
