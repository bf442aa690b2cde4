"""Crosspoints that vary, as drawn and pulsed by an independent simulator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax.devices
from analogjax.devices import OneSidedPair, ReferencePair, VectorCell

SINGLE = (
    "constant_up_down",
    "constant_down_up",
    "constant_corrupt",
    "constant_inconsistent",
    "linear_mean_bounds",
    "linear_own_bounds",
    "linear_increasing",
    "linear_reverse_up",
    "linear_reverse_down",
    "soft_bounds",
    "reference",
    "reference_slopes",
    "reference_symmetric",
    "exp",
    "exp_negative",
    "pow",
    "pow_down_up",
    "pow_reference",
    "piecewise",
)
SHAPE = (6,)


def device_of(settings):
    kind = getattr(analogjax.devices, settings["device"])
    fields = {name: value for name, value in settings.items() if name != "device"}
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return kind(**{**fields, **lists})


def cells_of(device, constants):
    """The constants of crosspoints, by the simulator's names, as cells of the device."""
    reference = constants.get("reference", 0.0)
    cells = device.without_variation().sample(jax.random.key(0), SHAPE)
    given = {
        "step_up": constants["dwmin_up"],
        "step_down": constants["dwmin_down"],
        "w_max": constants["max_bound"] - reference,
        "w_min": constants["min_bound"] - reference,
        "reference": reference,
    }
    if "gamma_up" in constants:
        given |= {f"exponent_{way}": constants[f"gamma_{way}"] for way in ("up", "down")}
    given = {name: value for name, value in given.items() if name in cells._fields}
    return cells._replace(**jax.tree.map(jnp.float32, given))


@pytest.fixture
def crosspoints(recorded):
    """Reads one case: its settings, constants, recorded weights and pulses."""
    _, pulses = recorded("crosspoints", "pulses")

    def read(case):
        settings, data = recorded("crosspoints", case)
        constants = {name.removeprefix("hidden/"): value for name, value in data.items()}
        return settings, constants, constants.pop("w"), pulses["pulses"]

    return read


def pulsed(device, cells, w, pulses):
    """The weights before the first and after each pulse."""
    noise = jnp.zeros(device.num_normals)

    def pulse(w, direction):
        w = device.pulse(cells, w, direction, noise)
        return w, w

    path = jax.jit(lambda w: jax.lax.scan(pulse, w, jnp.asarray(pulses))[1])(w)
    path = jax.tree.map(lambda first, rest: np.concatenate([first[None], rest]), w, path)
    return cells.weight(path) if isinstance(path, tuple) else path


@pytest.mark.parametrize("case", SINGLE)
def test_every_pulse_moves_every_crosspoint_as_recorded(crosspoints, case):
    settings, constants, weights, pulses = crosspoints(case)
    device = device_of(settings)
    path = pulsed(device, cells_of(device, constants), jnp.asarray(weights[0]), pulses)
    np.testing.assert_allclose(path, weights, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "case", ["vector_all", "vector_in_turn", "reference_pair", "one_sided_pair"]
)
def test_every_pulse_moves_the_conductances_of_a_crosspoint_as_recorded(crosspoints, case):
    settings, constants, weights, pulses = crosspoints(case)
    devices = [device_of(part) for part in settings["parts"]]
    parts = [
        cells_of(
            device,
            {k.removesuffix(f"_{n}"): v for k, v in constants.items() if k.endswith(f"_{n}")},
        )
        for n, device in enumerate(devices)
    ]
    if case == "vector_all":
        cell = VectorCell(devices=tuple(devices), significance=tuple(settings["significance"]))
    elif case == "vector_in_turn":  # There the second one has the first turn.
        cell = VectorCell(devices=tuple(devices[::-1]), update_policy="in_turn")
        parts = parts[::-1]
    else:
        kind = {"reference_pair": ReferencePair, "one_sided_pair": OneSidedPair}[case]
        cell = kind(device=devices[0])
        # There the second one of a one-sided pair takes the up pulses.
        parts = parts[::-1] if case == "one_sided_pair" else parts
    cells = cell.without_variation().sample(jax.random.key(0), SHAPE)
    pair = {"plus": parts[0], "minus": parts[1]}
    cells = cells._replace(**({"parts": tuple(parts)} if "vector" in case else pair))
    start = jax.tree.map(
        lambda part: jnp.broadcast_to(part, SHAPE), cell.program(cells, jnp.asarray(weights[0]))
    )
    np.testing.assert_allclose(pulsed(cell, cells, start, pulses), weights, rtol=0, atol=1e-6)
