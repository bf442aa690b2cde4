"""Which lines a transfer takes, at what rate, and through what it is read."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import analogjax
from analogjax.devices import ConstantStep
from analogjax.periphery import AnalogIO, mvm
from analogjax.pulses import ExpectedPulses, Factors
from analogjax.rules._chopped_tiki_taka import ChoppedTransfer
from analogjax.rules._readout import Readout
from analogjax.tiles import Tile

# Unbounded steps without variation: a transfer adds exactly rate times what was read.
DEVICE = ConstantStep(dw_min=0.01, w_max=1e6, w_min=-1e6).without_variation()
EXPECTED = {"pulses": ExpectedPulses(), "transfer_pulses": ExpectedPulses()}
KEY = jax.random.key(0)
SHAPE = (5, 3)
FAST = jnp.arange(1.0, 16.0).reshape(SHAPE)


def slow_after(steps, learning_rate=1.0, **settings):
    """The slow tile after each step, with a fast tile that never changes."""
    rule = analogjax.tiki_taka(learning_rate, DEVICE, key=0, **EXPECTED, **settings)
    params = {"w": jnp.zeros(SHAPE)}
    state = rule.init(params)
    stack = state.weights["w"]
    tiles = stack.tiles[0], stack.tiles[1]._replace(w=FAST)
    state = state._replace(weights={"w": stack._replace(tiles=tiles)})

    def step(state, _):
        _, state = rule.update({"w": jnp.zeros(SHAPE)}, state, params)
        return state, state.weights["w"].tiles[0].w

    return np.asarray(jax.jit(lambda s: jax.lax.scan(step, s, None, length=steps)[1])(state))


def read_times(path, axis):
    """How many times each line has been added after each step."""
    lines = np.moveaxis(path / np.asarray(FAST), 1 + axis, 1)
    np.testing.assert_allclose(lines, lines[:, :, :1].repeat(lines.shape[2], 2), atol=1e-5)
    return lines[:, :, 0]


@pytest.mark.parametrize(("lines", "axis"), [("inputs", 0), ("outputs", 1)])
@pytest.mark.parametrize(
    ("reads", "counts"), [(1, (1, 1)), (2, (2, 2)), (None, SHAPE), (0.4, (2, 1)), (0.01, (1, 1))]
)
def test_lines_come_in_turn(lines, axis, reads, counts):
    times = read_times(slow_after(7, reads_per_transfer=reads, transfer_lines=lines), axis)
    size = SHAPE[axis]
    expected = np.zeros((7, size))
    for step in range(7):
        for k in range(counts[axis]):
            expected[step:, (step * counts[axis] + k) % size] += 1
    np.testing.assert_allclose(times, expected, atol=1e-5)


@pytest.mark.parametrize("reads", [1, 7, 0.4, None])
def test_lines_are_known_after_billions_of_them(reads):
    size, readout = 1000, Readout(reads=reads)
    tile = Tile(jnp.zeros((size, 1)), ())
    count = readout.count(tile)

    @jax.jit
    def lines_and_sweeps(transfer):
        return readout.first(KEY, tile, transfer), readout.sweeps(tile, transfer)[:, 0]

    for transfer in (0, 3, 999, 2_147_490, 2**31 - 1):
        first, sweeps = lines_and_sweeps(jnp.int32(transfer))
        lines = [transfer * count + n for n in range(count)]
        assert int(first) == lines[0] % size
        assert sweeps.tolist() == [line // size for line in lines]


WRITTEN = [analogjax.tiki_taka_v2, functools.partial(analogjax.chopped_tiki_taka, chop_prob=0.0)]


@pytest.mark.parametrize("factory", WRITTEN)
def test_as_many_pulses_are_written_as_leave_the_buffer(factory):
    size = 400
    rule = factory(
        0.1, DEVICE, key=0, max_pulses=4, reads_per_transfer=None, pulses=ExpectedPulses()
    )
    params = {"w": jnp.zeros((size, 4))}
    state = rule.init(params)
    own = state.weights["w"]
    read = jnp.tile(DEVICE.dw_min * jnp.array([9.5, -9.5, 2.5, 0.5]), (size, 1))
    tiles = own.stack.tiles[0], own.stack.tiles[1]._replace(w=read)
    own = own._replace(stack=own.stack._replace(tiles=tiles))
    state = state._replace(weights={"w": own})
    _, state = jax.jit(rule.update)(params, state, params)
    pulses = np.asarray(state.weights["w"].stack.tiles[0].w) / DEVICE.dw_min
    np.testing.assert_allclose(pulses[:, :2], np.tile([4.0, -4.0], (size, 1)), rtol=1e-4)
    # Binomial(4, 1/2) in each line.
    assert abs(pulses[:, 2].mean() - 2) < 4.5 / np.sqrt(size)
    assert not pulses[:, 3].any()


def test_a_phase_is_the_inverse_of_the_probability():
    sweeps = np.arange(2, 3001)
    phase = ChoppedTransfer.phase.fget
    np.testing.assert_array_equal(phase(SimpleNamespace(chop_prob=1 / sweeps)), sweeps)
    assert int(phase(SimpleNamespace(chop_prob=0.3))) == 4


def test_random_order_reads_every_line_equally_often():
    times = read_times(slow_after(4000, transfer_order="random"), 0)
    steps = np.diff(times, axis=0, prepend=0)
    np.testing.assert_allclose(steps.sum(1), 1, atol=1e-2)
    counts = times[-1]
    # Multinomial counts with a mean of 800 and a standard deviation of 25.
    assert (np.abs(counts - 800) < 4.5 * 25).all()
    repeated = (np.diff(steps.argmax(1)) == 0).mean()
    assert abs(repeated - 0.2) < 4.5 * np.sqrt(0.16 / 4000)


def test_rate_may_be_a_schedule_and_in_units_of_the_learning_rate():
    def warm(count):
        return 0.5 * (count + 1)

    plain = slow_after(3, 0.1, transfer_lr=warm, reads_per_transfer=None)[-1]
    np.testing.assert_allclose(plain, (0.5 + 1.0 + 1.5) * FAST, rtol=1e-5)
    rate = optax.piecewise_constant_schedule(0.1, {2: 10.0})
    scaled = slow_after(3, rate, transfer_lr=2.0, scale_transfer_lr=True, reads_per_transfer=None)[
        -1
    ]
    np.testing.assert_allclose(scaled, 2.0 * (0.1 + 0.1 + 1.0) * FAST, rtol=1e-5)


@pytest.mark.parametrize(("lines", "axis"), [("inputs", 0), ("outputs", 1)])
def test_a_read_goes_through_what_it_is_given(lines, axis):
    def coarse(key, x, w):
        assert x.shape == (2, SHAPE[axis])
        noise = jax.random.randint(key, (2, w.shape[1]), 0, 2)
        return jnp.round(x @ w / 4) * 4 + 1000.0 * noise

    path = slow_after(
        40, transfer_read=coarse, reads_per_transfer=2, transfer_lines=lines, transfer_lr=1.0
    )
    steps = np.diff(path, axis=0, prepend=0)
    moved = steps[np.abs(steps) > 0.5]
    np.testing.assert_allclose(np.mod(moved, 1000) % 4, 0, atol=1e-2)
    assert 0.35 < (moved > 500).mean() < 0.65


@pytest.mark.parametrize("lines", ["inputs", "outputs"])
def test_a_read_through_converters_is_the_product_they_give(lines):
    # Steps of 2 between -8 and 8, one vector of a single 1 for each line; half to even.
    io = AnalogIO(
        inp_res=-1, out_bound=8.0, out_res=1 / 8, out_noise=0.0, noise_management="none",
        bound_management="none",
    )  # fmt: skip
    path = slow_after(
        1,
        transfer_read=functools.partial(mvm, io=io),
        reads_per_transfer=None,
        transfer_lines=lines,
    )
    seen = np.clip(2 * np.rint(np.asarray(FAST) / 2), -8, 8)
    np.testing.assert_allclose(path[0], seen, rtol=1e-6)


def test_tiki_taka_on_three_tiles_is_residual_learning_without_a_warm_start():
    keys = jax.random.split(jax.random.key(2), 2)
    x, d = jax.random.normal(keys[0], (40, 2, 5)), jax.random.normal(keys[1], (40, 2, 3))

    def run(factory):
        rule = factory(
            0.05, DEVICE, key=1, num_tiles=3, gamma=0.5, transfer_lr=0.2, transfer_every=2,
            **EXPECTED,
        )  # fmt: skip
        params = {"w": jnp.zeros(SHAPE)}

        def step(carry, batch):
            params, state = carry
            gradient = {"w": jnp.einsum("bi,bo->io", *batch)}
            updates, state = rule.update(gradient, state, params, factors={"w": Factors(*batch)})
            return (optax.apply_updates(params, updates), state), None

        return jax.jit(lambda c: jax.lax.scan(step, c, (x, d))[0][0]["w"])(
            (params, rule.init(params))
        )

    one, other = run(analogjax.tiki_taka), run(analogjax.residual_learning)
    np.testing.assert_array_equal(one, other)


def test_significances_may_be_given_tile_by_tile():
    rule = analogjax.residual_learning(
        0.1, DEVICE, key=0, num_tiles=3, gamma=(1.0, 0.3, 0.2), transfer_every=(9, 3)
    )
    stack = rule.init({"w": jnp.zeros(SHAPE)}).weights["w"]
    np.testing.assert_allclose(stack.scales, [1.0, 0.3, 0.2])


def test_arrays_are_one_for_each_tile_like_tuples():
    params = {"w": jnp.full(SHAPE, 0.2)}

    def weights_after(kind):
        rule = analogjax.residual_learning(
            0.5,
            DEVICE,
            key=0,
            num_tiles=3,
            gamma=kind([1.0, 0.4, 0.2]),
            transfer_lr=kind([0.8, 0.1]),
            transfer_every=kind([4, 2]),
            warm_start=analogjax.Stages(2),
            **EXPECTED,
        )
        state = rule.init(params)
        for _ in range(4):
            updates, state = rule.update({"w": FAST}, state, params)
        return updates["w"]

    np.testing.assert_array_equal(weights_after(np.array), weights_after(tuple))


def test_auto_scale_sends_the_asked_number_of_pulses_whatever_the_magnitudes():
    rule = analogjax.chopped_tiki_taka(
        0.5, DEVICE, key=0, auto_scale=True, auto_momentum=0.9, chop_prob=0.0, transfer_every=10**6,
        **EXPECTED,
    )  # fmt: skip
    params = {"w": jnp.zeros(SHAPE)}
    x, d = jnp.zeros((1, 5)).at[0, 1].set(3.0), jnp.zeros((1, 3)).at[0, 2].set(-0.01)

    @jax.jit
    def step(state, scale):
        factors = {"w": Factors(scale * x, d)}
        gradient = {"w": scale * jnp.einsum("bi,bo->io", x, d)}
        return rule.update(gradient, state, params, factors=factors)[1]

    state = step(rule.init(params), 1.0)
    own = state.weights["w"]
    # Half a pulse of 0.01 at the crosspoint of the largest entries, from the first vector on.
    assert own.stack.tiles[1].w[1, 2].item() == pytest.approx(0.005, rel=1e-5)
    np.testing.assert_allclose(own.magnitudes, [3.0, 0.01], rtol=1e-5)
    own = step(state, 2.0).weights["w"]
    np.testing.assert_allclose(own.magnitudes, [3.3, 0.01], rtol=1e-5)
    assert own.stack.tiles[1].w[1, 2].item() == pytest.approx(0.005 + 0.01 / 1.1, rel=1e-5)
    with pytest.raises(ValueError, match=r"auto_scale needs .* factors"):
        rule.update({"w": jnp.ones(SHAPE)}, rule.init(params), params)


@pytest.mark.parametrize("factory", [analogjax.chopped_tiki_taka, analogjax.agad])
def test_random_choppers_flip_with_their_probability(factory):
    rule = factory(
        0.1, DEVICE, key=0, chop_prob=0.02, chop_random=True, reads_per_transfer=None, **EXPECTED
    )
    params = {"w": jnp.zeros((400, 1))}

    def step(state, _):
        _, state = rule.update(params, state, params)
        return state, state.weights["w"].chopper[:, 0]

    signs = jax.jit(lambda s: jax.lax.scan(step, s, None, length=45)[1])(rule.init(params))
    flips = float((np.diff(np.asarray(signs), axis=0) != 0).mean())
    # 17,600 reads, before any regular flip after the 50th sweep.
    assert abs(flips - 0.02) < 4.5 * np.sqrt(0.02 * 0.98 / 17_600)


def test_mixed_precision_with_momentum_gathers_the_velocity():
    rule = analogjax.mixed_precision(0.001, DEVICE, key=0, momentum=0.5, transfer_every=10**6)
    params = {"w": jnp.zeros(SHAPE)}
    state = rule.init(params)
    for _ in range(3):
        _, state = rule.update({"w": jnp.ones(SHAPE)}, state, params)
    np.testing.assert_allclose(state.weights["w"].chi, 0.001 * (1 + 1.5 + 1.75), rtol=1e-5)


def test_momentum_that_starts_at_zero_may_rise():
    inject = optax.inject_hyperparams(
        analogjax.mixed_precision, static_args=("device", "transfer_every", "x_bins", "d_bins")
    )
    rule = inject(
        0.001, DEVICE, key=jax.random.key(0), momentum=lambda step: 0.5 * step,
        transfer_every=10**6,
    )  # fmt: skip
    params = {"w": jnp.zeros(SHAPE)}
    state, step = rule.init(params), jax.jit(rule.update)
    for _ in range(2):
        _, state = step({"w": jnp.ones(SHAPE)}, state, params)
    own = state.inner_state.weights["w"]
    np.testing.assert_allclose(own.chi, 0.001 * (1 + 1.5), rtol=1e-5)


def test_mixed_precision_quantises_the_vectors():
    params = {"w": jnp.zeros((3, 2))}
    x, d = jnp.array([[1.0, 0.3, -0.6]]), jnp.array([[0.5, -0.2]])
    factors, gradient = {"w": Factors(x, d)}, {"w": x.T @ d}

    def chi(key, **settings):
        rule = analogjax.mixed_precision(1.0, DEVICE, key=key, transfer_every=10**6, **settings)
        state = rule.init(params)
        return rule.update(gradient, state, params, factors=factors)[1].weights["w"].chi

    # Four bins: two steps of either sign up to the largest entry.
    x_rounded = jnp.array([[1.0, 0.5, -0.5]])
    np.testing.assert_allclose(chi(0, x_bins=4), x_rounded.T @ d, rtol=1e-5)
    d_rounded = jnp.array([[0.5, -0.25]])
    np.testing.assert_allclose(chi(0, x_bins=5, d_bins=4), x_rounded.T @ d_rounded, rtol=1e-5)
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = jax.jit(jax.vmap(lambda key: chi(key, x_bins=4, stochastic_rounding=True)))(keys)
    assert len(np.unique(np.asarray(drawn[:, 1, 0]).round(4))) == 2
    np.testing.assert_allclose(drawn.mean(0), x.T @ d, atol=4.5 * 0.25 * 0.5 / np.sqrt(4000))
    rule = analogjax.mixed_precision(1.0, DEVICE, key=0, x_bins=4)
    with pytest.raises(ValueError, match=r"x_bins and d_bins .* factors"):
        rule.update(gradient, rule.init(params), params)
