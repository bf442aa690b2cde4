"""Whole trainings against the rules' equations in plain NumPy, to float32 rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import transcriptions

import analogjax
from analogjax.devices import SoftBounds
from analogjax.pulses import ExpectedPulses, Factors

STEPS, IN, OUT, BATCH = 210, 5, 3, 4
RATE = 0.02
DEVICE = SoftBounds.with_states(20, w_max=0.9, w_min=-0.7, up_down=0.1, up_down_dtod=0.05)
EXPECTED = {"pulses": ExpectedPulses(), "transfer_pulses": ExpectedPulses()}
KEYS = jax.random.split(jax.random.key(17), 3)
X = np.asarray(0.3 + jax.random.normal(KEYS[0], (STEPS, BATCH, IN)))
D = np.asarray(0.1 + jax.random.normal(KEYS[1], (STEPS, BATCH, OUT)))
START = 0.3 * jax.random.normal(KEYS[2], (IN, OUT))


def train(rule, x, d, with_factors):
    """Parameters after every step, and the last state."""
    params = {"w": START}
    state = rule.init(params)

    def step(carry, batch):
        params, state = carry
        factors = {"w": Factors(*batch)} if with_factors else None
        gradient = {"w": jnp.einsum("bi,bo->io", *batch)}
        updates, state = rule.update(gradient, state, params, factors=factors)
        params = {"w": params["w"] + updates["w"]}
        return (params, state), params["w"]

    (_, end), path = jax.jit(lambda carry: jax.lax.scan(step, carry, (x, d)))((params, state))
    return path, state.weights["w"], end.weights["w"]


def gradients(with_factors):
    return [transcriptions.Gradient(x, d, RATE, with_factors) for x, d in zip(X, D, strict=True)]


def parts(stack):
    return [tile.w for tile in stack.tiles], [tile.cells for tile in stack.tiles]


def assert_same(path, stack, expected_path, expected_tiles):
    np.testing.assert_allclose(path, expected_path, rtol=0, atol=5e-6)
    for tile, expected in zip(stack.tiles, expected_tiles, strict=True):
        np.testing.assert_allclose(tile.w, expected, rtol=0, atol=5e-6)
        assert np.abs(expected).max() > 0.01


CHAINS = {
    "uneven_periods": (True, {"transfer_every": (7, 3)}, (7, 3), None),
    "uneven_periods_without_factors": (False, {"transfer_every": (7, 3)}, (7, 3), None),
    "nested_periods": (True, {"transfer_every": 3}, (9, 3), None),
    "nested_periods_after_stages": (
        True,
        {"transfer_every": 3, "warm_start": analogjax.Stages(65)},
        (9, 3),
        65,
    ),
    "stages_without_a_chain": (
        False,
        {"transfer_every": 3, "warm_start": analogjax.Stages(40), "chain": False},
        (9, 3),
        40,
    ),
}


@pytest.mark.parametrize("case", CHAINS)
def test_residual_learning_follows_its_equations(case):
    with_factors, settings, periods, stage_length = CHAINS[case]
    rule = analogjax.residual_learning(
        RATE, DEVICE, key=3, num_tiles=3, gamma=0.4, transfer_lr=(0.3, 0.2),
        reads_per_transfer=2, **settings, **EXPECTED,
    )  # fmt: skip
    path, start, end = train(rule, X, D, with_factors)
    expected = transcriptions.chain(
        *parts(start), DEVICE.dw_min, gradients(with_factors), 0.4, (0.3, 0.2), periods, 2,
        stage_length, settings.get("chain", True),
    )  # fmt: skip
    assert_same(path, end, *expected)


@pytest.mark.parametrize("with_factors", [True, False])
def test_tiki_taka_follows_its_equations(with_factors):
    rule = analogjax.tiki_taka(
        RATE, DEVICE, key=3, gamma=0.3, transfer_lr=0.4, transfer_every=2, reads_per_transfer=3,
        **EXPECTED,
    )  # fmt: skip
    path, start, end = train(rule, X, D, with_factors)
    tiles, cells = parts(start)
    expected = transcriptions.tiki_taka(
        *tiles, cells, DEVICE.dw_min, gradients(with_factors), 0.3, 0.4, 2, 3
    )
    assert_same(path, end, *expected)


def test_analog_sgd_follows_its_equation():
    rule = analogjax.analog_sgd(RATE, DEVICE, key=3, pulses=ExpectedPulses())
    path, start, end = train(rule, X, D, with_factors=True)
    tiles, cells = parts(start)
    expected = transcriptions.chain(tiles, cells, DEVICE.dw_min, gradients(True), 1.0, (), (), 1)
    assert_same(path, end, *expected)


@pytest.mark.parametrize("every", [1, 2])
def test_mixed_precision_sends_single_pulses_exactly(every):
    # Gradients are small multiples of a quarter step: all sums are exact in float32.
    dw_min = 1 / 64
    quarters = jax.random.randint(KEYS[0], (STEPS, IN, OUT), -2 // every, 2 // every + 1)
    x = jnp.broadcast_to(jnp.eye(IN), (STEPS, IN, IN))
    d = quarters * dw_min  # with a learning rate of 1/4
    device = SoftBounds(dw_min=dw_min, w_max=1.0, w_min=-1.0).without_variation()
    rule = analogjax.mixed_precision(0.25, device, key=3, transfer_every=every)
    path, start, end = train(rule, x, d, with_factors=False)
    expected, memory = transcriptions.mixed_precision(
        start.stack.tiles[0].w, np.asarray(d, float), 0.25, dw_min, every
    )
    np.testing.assert_allclose(path, expected, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(end.chi, memory[-1])
    assert float(end.stack.pulses.total.sum()) > 100
