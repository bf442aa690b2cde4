"""The digital part of buffered, chopped and dynamic transfers against recorded runs of a simulator.

Before each step the fast tile is overwritten; no gradient is sent, one line is read and written.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax
from analogjax.devices import ConstantStep
from analogjax.pulses import CoincidencePulses, Factors

DATA = Path(__file__).parents[1] / "data"
FILES = ("transfer_rules", "transfers")
CASES = [(file, name) for file in FILES for name in json.loads((DATA / f"{file}.json").read_text())]


def fixed_step(dw_min):
    """A device whose steps are all alike, and whose bounds are far."""
    return ConstantStep(dw_min=dw_min, w_max=10.0, w_min=-10.0).without_variation()


def rule_of(case):
    """The rule with the settings of a recorded case."""
    most = case.get("desired_bl", 1)
    common = {
        "key": 0,
        "gamma": case.get("gamma", 0.0),
        "transfer_lr": case["transfer_lr"],
        "scale_transfer_lr": True,
        "transfer_every": case.get("transfer_every", 1),
        "transfer_lines": "inputs" if case.get("transfer_columns", True) else "outputs",
        "momentum": case["momentum"],
        "forget": case["forget_buffer"],
        "max_pulses": most,
    }
    if most > 1:
        common["transfer_pulses"] = CoincidencePulses(
            desired_bl=most,
            update_management=False,
            update_bl_management=False,
            pulse_type="deterministic_implicit",
        )
    devices = fixed_step(case["dw_min_slow"]), fixed_step(case["dw_min_fast"])
    if case["rule"] == "BufferedTransferCompound":
        more = {"threshold": case["thres_scale"]}
        return analogjax.tiki_taka_v2(case["lr"], devices, **common, **more)
    common |= {
        "chop_prob": case["in_chop_prob"],
        "buffer_granularity": case.get("buffer_granularity", 1.0),
        "auto_granularity": case.get("auto_granularity", 0.0),
    }
    if case["rule"] == "ChoppedTransferCompound":
        more = {"chop_random": case.get("in_chop_random", True)}
        return analogjax.chopped_tiki_taka(case["lr"], devices, **common, **more)
    more = {"tail_weighting": case["tail_weightening"], "buffer_cap": case.get("buffer_cap", 0.0)}
    return analogjax.agad(case["lr"], devices, **common, **more)


FIELDS = {"H": "buffer", "P": "mean", "R": "reference"}


@pytest.mark.parametrize(("file", "name"), CASES)
def test_transfers_follow_the_recorded_ones(recorded, file, name):
    case, arrays = recorded(file, name)
    arrays = {field: np.swapaxes(array, 1, 2) for field, array in arrays.items()}
    rule = rule_of(case)
    params = {"w": jnp.zeros((case["inp"], case["out"]))}
    silent = {"w": Factors(jnp.zeros((1, case["inp"])), jnp.zeros((1, case["out"])))}

    def step(carry, fast):
        params, state = carry
        own = state.weights["w"]
        slow, tile = own.stack.tiles
        stack = own.stack._replace(tiles=(slow, tile._replace(w=fast)))
        state = state._replace(weights={"w": own._replace(stack=stack)})
        gradient = jax.tree.map(jnp.zeros_like, params)
        updates, state = rule.update(gradient, state, params, factors=silent)
        params = jax.tree.map(jnp.add, params, updates)
        return (params, state), (params["w"], state.weights["w"])

    run = jax.jit(lambda carry: jax.lax.scan(step, carry, arrays["A"])[1])
    weights, states = run((params, rule.init(params)))
    slow = states.stack.tiles[0].w
    assert np.abs(np.diff(arrays["C"], axis=0)).sum() > 0.1
    np.testing.assert_allclose(slow, arrays["C"], rtol=0, atol=1e-4)
    signs = getattr(states, "chopper", 1.0)
    weight = arrays["C"] + case.get("gamma", 0.0) * signs * arrays["A"]
    np.testing.assert_allclose(weights, weight, rtol=0, atol=1e-4)
    for field in arrays.keys() & FIELDS:
        ours = getattr(states, FIELDS[field])
        np.testing.assert_allclose(ours, arrays[field], rtol=0, atol=1e-4)
