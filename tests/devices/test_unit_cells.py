"""Reference pairs, and cells of several conductances that add up."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learning import SHAPE, TARGET, learned

import analogjax
from analogjax.devices import (
    Conductances,
    ConstantStep,
    Pair,
    ReferencePair,
    SoftBounds,
    VectorCell,
)
from analogjax.pulses import BatchedPulses, CoincidencePulses
from analogjax.tiles import read

KEY = jax.random.key(3)
COARSE = ConstantStep(dw_min=0.02, w_max=1.0, w_min=-1.0).without_variation()
FINE = dataclasses.replace(COARSE, dw_min=0.01)
POLICIES = ["all", "in_turn", "random"]


def cell(policy, **more):
    return VectorCell(devices=(COARSE, FINE), update_policy=policy, **more)


@pytest.mark.parametrize(
    "scheme", [pytest.param(CoincidencePulses(), marks=pytest.mark.slow), BatchedPulses()]
)
@pytest.mark.parametrize("policy", POLICIES)
def test_the_weight_moves_by_the_wanted_change_on_average(policy, scheme):
    device = cell(policy, significance=(0.5, 0.25))
    cells = device.sample(KEY, (2, 2))
    x, d = jnp.ones((3, 2)), jnp.array([[0.3, -0.3]] * 3)

    def change(key):
        start = device.program(cells, jnp.zeros((2, 2)))
        if start.turn is not None:  # Otherwise a first pulse is always one of the coarse steps.
            start = start._replace(turn=jax.random.randint(key, (2, 2), 0, 2))
        return cells.weight(scheme.send(key, device, cells, start, x, d, 0.1).w)

    changes = np.asarray(jax.vmap(change)(jax.random.split(KEY, 400)))
    # Weights of 0.09 from some ten pulses each: four standard errors of their means.
    error = 4 * changes.std(0) / np.sqrt(400)
    assert np.all(np.abs(changes.mean(0) - [[-0.09, 0.09]] * 2) < error + 1e-6)
    assert np.all(error < 0.01)


def test_a_pulse_goes_to_all_conductances_each_with_noise_of_its_own():
    device = VectorCell(devices=2 * (dataclasses.replace(COARSE, dw_min_std=0.5),))
    cells = device.sample(KEY, (100, 100))
    start = device.program(cells, jnp.zeros((100, 100)))
    start = jax.tree.map(lambda part: jnp.broadcast_to(part, (100, 100)), start)
    for w in (
        device.apply_pulse(KEY, cells, start, 1),
        BatchedPulses().send_increment(KEY, device, cells, start, jnp.full((100, 100), 0.02)).w,
    ):
        noise = np.stack(w.parts) / 0.02 - 1
        assert np.all(np.abs(noise.std((1, 2)) - 0.5) < 4 * 0.5 / np.sqrt(2e4))
        assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 4 / 100


def test_turns_are_taken_at_each_crosspoint_by_itself():
    device = cell("in_turn")
    cells = device.sample(KEY, (1, 3))
    w = Conductances((jnp.zeros((1, 3)),) * 2, jnp.array([[0, 1, 0]]))
    up, down = device.steps(cells, w)
    np.testing.assert_allclose(up, [[0.01, 0.005, 0.01]])
    np.testing.assert_allclose(down, up)
    w = device.apply_pulse(None, cells, w, jnp.array([[1, -1, 0]]))
    np.testing.assert_allclose(w.parts[0], [[0.02, 0.0, 0.0]])
    np.testing.assert_allclose(w.parts[1], [[0.0, -0.01, 0.0]])
    np.testing.assert_array_equal(w.turn, [[1, 0, 0]])


def test_a_pulse_at_random_goes_to_each_conductance_equally_often():
    device = VectorCell(devices=3 * (COARSE,), update_policy="random")
    cells = device.sample(KEY, (100, 100))
    w = device.apply_pulse(KEY, cells, device.program(cells, jnp.zeros((100, 100))), 1)
    taken = np.stack(w.parts) > 0
    np.testing.assert_array_equal(taken.sum(0), 1)
    assert np.all(np.abs(taken.mean((1, 2)) - 1 / 3) < 4 * np.sqrt(2 / 9) / 100)
    np.testing.assert_allclose(device.steps(cells, w)[0], 0.02 / 3, rtol=1e-6)
    with pytest.raises(ValueError, match="'random' needs a key"):
        device.apply_pulse(None, cells, w, 1)


def test_granularity_and_states_are_those_of_the_weight():
    assert cell("all").granularity == pytest.approx(0.015)
    assert cell("in_turn", significance=(1.0, 0.1)).granularity == pytest.approx(0.021 / 2)
    assert cell("in_turn", significance=(1.0, 0.1)).n_states == pytest.approx(2.2 / 0.0105)
    noisy = dataclasses.replace(COARSE, write_noise_std=2.0)
    assert VectorCell(devices=4 * (noisy,)).write_noise == pytest.approx(0.02)


def test_equal_conductances_average_out_one_anothers_variation():
    varied = dataclasses.replace(COARSE, dw_min_dtod=0.3, w_max_dtod=0.3)
    device = VectorCell(devices=4 * (varied,))
    cells = device.sample(KEY, (100, 100))
    up, _ = device.response(cells, device.program(cells, jnp.zeros((100, 100))))
    assert abs(np.std(up) / 0.15 - 1) < 4 / np.sqrt(2e4)


def test_programmed_weights_are_shared_and_clipped():
    device = cell("all", significance=(1.0, 0.5))
    cells = device.sample(KEY, (1, 3))
    w = device.program(cells, jnp.array([[0.75, -3.0, 0.0]]))
    np.testing.assert_allclose(w.parts[0], [[0.5, -1.0, 0.0]])
    np.testing.assert_allclose(cells.weight(w), [[0.75, -1.5, 0.0]])


RULES = {
    "analog_sgd": {},
    "tiki_taka": {"gamma": 0.5, "transfer_lr": 0.1},
    "mixed_precision": {},
    "residual_learning": {"num_tiles": 2, "transfer_every": 1},
}
ONE = SoftBounds(dw_min=0.01, w_max=1.0, w_min=-1.0)
CELLS = {
    "in_turn": VectorCell(devices=(ONE, ONE), update_policy="in_turn"),
    "random": VectorCell(devices=(ONE, ONE), update_policy="random"),
    "reference": ReferencePair(
        device=dataclasses.replace(ONE, diffusion=1e-5), subtract_symmetry_point=True
    ),
}


@pytest.mark.parametrize(
    ("rule", "name"),
    [*((rule, "in_turn") for rule in RULES), ("analog_sgd", "random"), ("tiki_taka", "reference")],
)
def test_cells_learn_under_the_rules(rule, name):
    learn = getattr(analogjax, rule)(0.05, CELLS[name], key=1, **RULES[rule])
    weights, path = learned(learn)
    assert float(jnp.abs(path[-200:].mean(0) - TARGET).max()) < 0.06
    stack = getattr(weights, "stack", weights)
    assert isinstance(stack.tiles[0].w, Pair if name == "reference" else Conductances)
    if rule == "analog_sgd":
        np.testing.assert_allclose(path[-1], read(stack.tiles[0]), atol=1e-6)


@pytest.mark.slow
def test_vmap_over_the_significance_equals_a_loop():
    def end(fine):
        device = cell("random", significance=(0.5, fine))
        return learned(analogjax.analog_sgd(0.05, device, key=1), steps=20)[1][-1]

    shares = jnp.array([0.1, 0.5])
    swept = jax.vmap(end)(shares)
    for i, fine in enumerate(shares):
        np.testing.assert_allclose(swept[i], end(fine), atol=1e-5)


def test_the_reference_stays_and_is_subtracted():
    half = SoftBounds.with_states(20, w_max=1.0, w_min=-0.5)
    device = ReferencePair(device=half, reference_mean=0.1, subtract_symmetry_point=True)
    cells = device.sample(KEY, SHAPE)
    point = half.symmetric_point(cells.plus) + 0.1
    w = device.program(cells, jnp.zeros(SHAPE))
    expected = jnp.clip(point, cells.minus.w_min, cells.minus.w_max)
    np.testing.assert_allclose(w.minus, expected, atol=1e-6)
    np.testing.assert_allclose(
        device.symmetric_point(cells), half.symmetric_point(cells.plus) - w.minus, atol=1e-6
    )
    after = device.apply_pulse(KEY, cells, w, 1)
    np.testing.assert_array_equal(after.minus, w.minus)
    assert np.all(after.plus != w.plus)
    np.testing.assert_allclose(
        device.steps(cells, w)[0], half.steps(cells.plus, w.plus)[0], rtol=1e-6
    )


def test_both_conductances_of_a_reference_pair_age():
    leaky = dataclasses.replace(COARSE, lifetime=4.0)
    device = ReferencePair(device=leaky, reference_mean=0.2)
    assert ReferencePair(device=COARSE).sample_ageing(KEY, SHAPE) is None
    cells, ageing = device.sample(KEY, SHAPE), device.sample_ageing(KEY, SHAPE)
    w = device.program(cells, jnp.full(SHAPE, 0.4))
    later = device.apply_ageing(KEY, cells, ageing, w)
    np.testing.assert_allclose(later.plus, 0.75 * 0.6, rtol=1e-6)
    np.testing.assert_allclose(later.minus, 0.75 * 0.2, rtol=1e-6)


def test_conductances_of_a_vector_cell_age_each_by_itself():
    leaky = dataclasses.replace(COARSE, lifetime=4.0)
    device = VectorCell(devices=(leaky, COARSE))
    cells, ageing = device.sample(KEY, SHAPE), device.sample_ageing(KEY, SHAPE)
    later = device.apply_ageing(KEY, cells, ageing, device.program(cells, jnp.full(SHAPE, 0.4)))
    np.testing.assert_allclose(later.parts[0], 0.3, rtol=1e-6)
    np.testing.assert_allclose(later.parts[1], 0.4, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"significance": (1.0,)}, "one significance for each of its devices, got 1 for 2"),
        ({"significance": (1.0, -0.5)}, r"significance must be positive, got \(1.0, -0.5\)"),
        ({"update_policy": "some"}, "must be 'all', 'in_turn' or 'random', got 'some'"),
        ({"devices": ()}, r"a tuple of at least one device, got \(\)"),
    ],
)
def test_cells_that_cannot_be_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(cell("all"), **fields).sample(KEY, SHAPE)
