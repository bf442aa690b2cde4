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
    "stages_through_the_chain": (
        True,
        {
            "transfer_every": 3,
            "warm_start": analogjax.Stages(65),
            "warm_start_from": "next",
        },
        (9, 3),
        65,
    ),
    "stages_from_the_last_tile_but_one": (
        True,
        {
            "transfer_every": 3,
            "warm_start": analogjax.Stages(65),
            "warm_start_from": "last-but-one",
        },
        (9, 3),
        65,
    ),
    "stages_from_the_last_tile_but_one_without_a_chain": (
        True,
        {
            "transfer_every": 3,
            "warm_start": analogjax.Stages(40),
            "warm_start_from": "last-but-one",
            "chain": False,
        },
        (9, 3),
        40,
    ),
    "reads_below_a_threshold_left_out": (
        True,
        {"transfer_every": 3, "transfer_threshold": 0.1},
        (9, 3),
        None,
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
        stage_length, settings.get("chain", True), settings.get("warm_start_from", "last"),
        settings.get("transfer_threshold", 0.0),
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


def test_tiki_taka_on_more_tiles_follows_its_equations():
    rule = analogjax.tiki_taka(
        RATE, DEVICE, key=3, num_tiles=3, gamma=0.3, transfer_lr=(0.3, 0.2), transfer_every=(5, 2),
        reads_per_transfer=2, **EXPECTED,
    )  # fmt: skip
    path, start, end = train(rule, X, D, with_factors=True)
    expected = transcriptions.chain(
        *parts(start), DEVICE.dw_min, gradients(True), 0.3, (0.3, 0.2), (5, 2), 2
    )
    assert_same(path, end, *expected)


SLOW = SoftBounds.with_states(60, w_max=0.9, w_min=-0.7, up_down=0.1, up_down_dtod=0.05)
BUFFERED = {
    "tiki_taka_v2": (
        {"gamma": 0.3, "transfer_lr": 2.0, "threshold": 1.5, "momentum": 0.2, "max_pulses": 2},
        lambda shape, g: transcriptions.Buffer(
            shape, pulse=1.5 * g[0], written=g[0], share=0.3, momentum=0.2, most=2
        ),
    ),
    "tiki_taka_v2_keeping_its_buffer": (
        {"transfer_lr": 0.5, "momentum": 0.2, "forget": False},
        lambda shape, g: transcriptions.Buffer(
            shape, pulse=g[0], written=g[0], momentum=0.2, forget=False
        ),
    ),
    "chopped_tiki_taka": (
        {"gamma": 0.3, "transfer_lr": 0.4, "chop_prob": 0.5, "chop_random": False},
        lambda shape, g: transcriptions.Chopped(shape, 2, pulse=1.0, share=1 / g[1], written=g[0]),
    ),
    "chopped_tiki_taka_with_auto_granularity": (
        {
            "transfer_lr": 0.4, "chop_prob": 0.3, "chop_random": False, "auto_granularity": 20.0,
            "buffer_granularity": 0.5, "momentum": 0.3, "forget": False, "max_pulses": 3,
        },
        lambda shape, g: transcriptions.Chopped(
            shape, 4, pulse=1.0, written=g[0], share=1 / (0.5 * g[1] * 20.0 / (shape[0] * 2)),
            momentum=0.3, forget=False, most=3,
        ),
    ),
    "agad": (
        {"gamma": 0.2, "transfer_lr": 0.5, "chop_prob": 0.25, "tail_weighting": 2.0},
        lambda shape, g: transcriptions.Dynamic(
            shape, 4, 2.0, pulse=1.0, share=1 / g[1], written=g[0]
        ),
    ),
    "agad_with_a_cap": (
        {
            "transfer_lr": 1.5, "chop_prob": 0.25, "tail_weighting": 2.0, "forget": False,
            "momentum": 0.1, "buffer_cap": 0.5,
        },
        lambda shape, g: transcriptions.Dynamic(
            shape, 4, 2.0, cap=0.5, pulse=1.0, share=1 / g[1], written=g[0], momentum=0.1,
            forget=False,
        ),
    ),
    "buffered_residual_learning": (
        {"num_tiles": 2, "gamma": 0.4, "transfer_lr": 0.5},
        lambda shape, g: transcriptions.Buffer(shape, pulse=g[0], written=g[0], forget=False),
    ),
    "residual_learning_v2": (
        {"gamma": 0.4, "transfer_lr": 0.3, "momentum": 0.7, "threshold": 0.5},
        lambda shape, g: transcriptions.MovingAverage(shape, 0.7, 0.5 * g[0]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("lines", ["inputs", "outputs"])
@pytest.mark.parametrize("name", BUFFERED)
def test_buffered_rules_follow_their_equations(name, lines):
    settings, digital = BUFFERED[name]
    factory = getattr(analogjax, name.split("_with_")[0].split("_keeping")[0])
    reads = 1 if lines == "inputs" else 2
    rule = factory(
        RATE, (SLOW, DEVICE), key=3, transfer_every=2, reads_per_transfer=reads,
        transfer_lines=lines, **settings, **EXPECTED,
    )  # fmt: skip
    path, start, end = train(rule, X, D, with_factors=True)
    tiles, cells = parts(start.stack)
    steps = gradients(with_factors=True)
    if lines == "outputs":
        tiles, cells = jax.tree.map(lambda leaf: leaf.T, (tiles, cells))
        steps = [gradient.transposed() for gradient in steps]
    granularities = float(SLOW.granularity), float(DEVICE.granularity)
    memory = digital(tiles[0].shape, granularities)
    expected_path, expected_tiles = transcriptions.buffered(
        *tiles, cells, granularities, steps, rates=STEPS * [settings["transfer_lr"]], every=2,
        reads=reads, gamma=settings.get("gamma", 0.4 if "residual" in name else 0.0),
        digital=memory, signs=getattr(memory, "signs", None),
    )  # fmt: skip
    h = end.buffer
    if lines == "outputs":
        expected_path = np.swapaxes(expected_path, 1, 2)
        expected_tiles, h = [w.T for w in expected_tiles], h.T
    assert_same(path, end.stack, expected_path, expected_tiles)
    np.testing.assert_allclose(h, memory.h, rtol=0, atol=2e-4)
    moved = np.abs(expected_tiles[0] - np.asarray(start.stack.tiles[0].w)).max()
    assert moved > 2 * granularities[0]
    assert int(end.stack.reads.total[1]) == STEPS // 2 * reads


def test_analog_sgd_follows_its_equation():
    rule = analogjax.analog_sgd(RATE, DEVICE, key=3, pulses=ExpectedPulses())
    path, start, end = train(rule, X, D, with_factors=True)
    tiles, cells = parts(start)
    expected = transcriptions.chain(tiles, cells, DEVICE.dw_min, gradients(True), 1.0, (), (), 1)
    assert_same(path, end, *expected)


def test_auto_scale_follows_its_equations():
    pulses, phase = 0.4, 2
    rule = analogjax.chopped_tiki_taka(
        pulses, (SLOW, DEVICE), key=3, transfer_lr=0.4, chop_prob=1 / phase, chop_random=False,
        auto_scale=True, auto_momentum=0.8, **EXPECTED,
    )  # fmt: skip
    path, start, end = train(rule, X, D, with_factors=True)
    tiles, cells = parts(start.stack)
    g = float(SLOW.granularity), float(DEVICE.granularity)
    steps = [
        transcriptions.Gradient(*step, with_factors=True)
        for step in zip(
            X, D, transcriptions.auto_scaled_rates(X, D, pulses, g[1], 0.8), strict=True
        )
    ]
    memory = transcriptions.Chopped(tiles[0].shape, phase, pulse=1.0, share=1 / g[1], written=g[0])
    expected = transcriptions.buffered(
        *tiles, cells, g, steps, rates=STEPS * [0.4], every=1, reads=1, gamma=0.0,
        digital=memory, signs=memory.signs,
    )  # fmt: skip
    assert_same(path, end.stack, *expected)
    np.testing.assert_allclose(end.buffer, memory.h, rtol=0, atol=2e-4)


@pytest.mark.parametrize("bins", [0, 6])
def test_mixed_precision_follows_its_equations(bins):
    rule = analogjax.mixed_precision(
        RATE, DEVICE, key=3, transfer_every=2, momentum=0.5, x_bins=bins, d_bins=bins,
        pulses=ExpectedPulses(),
    )  # fmt: skip
    path, start, end = train(rule, X, D, with_factors=bool(bins))
    seen = [transcriptions.quantised(part, bins) if bins else part for part in (X, D)]
    steps = np.einsum("tbi,tbo->tio", *(np.asarray(part, float) for part in seen))
    (w,), (cells,) = parts(start.stack)
    expected, memory = transcriptions.mixed_precision(
        w, cells, steps, RATE, float(DEVICE.granularity), 2, 0.5
    )
    np.testing.assert_allclose(path, expected, rtol=0, atol=5e-6)
    np.testing.assert_allclose(end.chi, memory[-1], rtol=0, atol=5e-6)


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
        start.stack.tiles[0].w,
        start.stack.tiles[0].cells,
        np.asarray(d, float),
        0.25,
        dw_min,
        every,
    )
    np.testing.assert_allclose(path, expected, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(end.chi, memory[-1])
    assert np.abs(np.diff(memory, axis=0)).max() < 2 * dw_min  # At most one pulse at a time.
    assert float(end.stack.pulses.total.sum()) > 100
