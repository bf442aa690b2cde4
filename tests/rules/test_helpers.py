"""Mixing rules, programming weights, freezing tiles."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import SHAPE, batch, gradient

import analogjax
from analogjax.devices import Frozen, OneSidedPair, SoftBounds
from analogjax.pulses import BatchedPulses, ExpectedPulses
from analogjax.tiles import effective_weight, program_tile, saturation

DEVICE = SoftBounds.with_states(20)
PARAMS = {
    "conv": {"kernel": jnp.full(SHAPE, 0.2), "bias": jnp.zeros(2)},
    "dense": {"kernel": jnp.full(SHAPE, -0.2), "bias": jnp.zeros(2)},
}


def mixed():
    return analogjax.by_path(
        {
            r"conv/kernel": analogjax.residual_learning(0.1, DEVICE, key=0, num_tiles=2),
            r"kernel$": analogjax.analog_sgd(0.1, DEVICE, key=0),
        },
        otherwise=optax.sgd(0.5, momentum=0.9),
    )


def grads(step):
    one = {"kernel": gradient(batch(step)), "bias": jnp.ones(2)}
    return {"conv": one, "dense": one}


def factors(step):
    return {"conv": {"kernel": batch(step)}, "dense": {"kernel": batch(step)}}


def test_a_matrix_learns_the_same_beside_others_like_it():
    # Small matrices of one shape go through one loop.
    rule = analogjax.residual_learning(0.1, DEVICE, key=0, num_tiles=2, transfer_every=1)
    values = {"a": 0.1, "b": -0.2, "c": 0.3}

    def train(names):
        params = {name: jnp.full(SHAPE, values[name]) for name in names}
        updates, state = jax.jit(rule.update)(
            {name: gradient(batch(n)) for n, name in enumerate(values) if name in names},
            rule.init(params),
            params,
            factors={name: batch(n) for n, name in enumerate(values) if name in names},
        )
        return updates, state.weights

    together = train(values)
    for name in values:
        alone = train([name])
        jax.tree.map(
            np.testing.assert_array_equal, alone, tuple({name: part[name]} for part in together)
        )


def test_each_layer_learns_by_the_first_rule_that_matches():
    rule = mixed()

    @jax.jit
    def update(state):
        return rule.update(grads(0), state, PARAMS, factors=factors(0))

    updates, state = update(rule.init(PARAMS))
    alone = analogjax.analog_sgd(0.1, DEVICE, key=0)
    own, _ = jax.jit(
        lambda state: alone.update(
            {"dense": {"kernel": gradient(batch(0))}},
            state,
            {"dense": {"kernel": PARAMS["dense"]["kernel"]}},
            factors={"dense": {"kernel": batch(0)}},
        )
    )(alone.init({"dense": {"kernel": PARAMS["dense"]["kernel"]}}))
    np.testing.assert_array_equal(updates["dense"]["kernel"], own["dense"]["kernel"])
    np.testing.assert_allclose(updates["conv"]["bias"], -0.5)
    stacks = optax.tree.get_all_with_path(state, "tiles")
    assert sorted(len(tiles) for _, tiles in stacks) == [1, 2]


def test_a_pattern_that_matches_nothing_is_named():
    sgd = analogjax.analog_sgd(0.1, DEVICE, key=0)
    rule = analogjax.by_path({"kernel": sgd, "conv/kernel": sgd}, otherwise=optax.sgd(0.1))
    with pytest.raises(ValueError, match=r"'conv/kernel' matches none .* 'dense/kernel'"):
        rule.init(PARAMS)


def test_a_pattern_with_the_name_of_the_rest_is_refused():
    sgd = analogjax.analog_sgd(0.1, DEVICE, key=0)
    with pytest.raises(ValueError, match="pattern 'otherwise' has the name of the rest"):
        analogjax.by_path({"otherwise": sgd}, otherwise=optax.sgd(0.1))


def test_other_weights_are_programmed_on_the_same_crosspoints():
    rule = mixed()
    start = rule.init(PARAMS)
    _, state = jax.jit(lambda state: rule.update(grads(0), state, PARAMS, factors=factors(0)))(
        start
    )
    other = jax.tree.map(lambda leaf: leaf + 0.1, PARAMS)
    again = analogjax.reprogram(rule, state, other)
    inner = {name: part.inner_state for name, part in again.inner_states.items()}
    stack = inner["conv/kernel"].weights["conv/kernel"]
    np.testing.assert_allclose(effective_weight(stack), 0.3, rtol=1e-6)
    assert not stack.tiles[1].w.any()
    old = start.inner_states["conv/kernel"].inner_state.weights["conv/kernel"]
    jax.tree.map(np.testing.assert_array_equal, stack.tiles[0].cells, old.tiles[0].cells)
    assert int(inner["conv/kernel"].count) == 1
    momentum = optax.tree.get_all_with_path(again, "trace")[0][1]
    np.testing.assert_array_equal(momentum["conv"]["bias"], 1.0)
    with pytest.raises(ValueError, match="parameters do not fit the state"):
        analogjax.reprogram(rule, state, jax.tree.map(lambda leaf: leaf[:1], PARAMS))


@pytest.mark.parametrize(
    ("pulses", "with_factors"), [(BatchedPulses(), True), (ExpectedPulses(), False)]
)
def test_a_frozen_tile_stands_still_and_gets_no_pulses(pulses, with_factors):
    params = {"w": jnp.full(SHAPE, 0.2)}

    batches = jax.tree.map(lambda *parts: np.stack(parts), *map(batch, range(12)))

    def run(devices, with_factors):
        rule = analogjax.residual_learning(
            0.2, devices, key=0, num_tiles=3, transfer_every=2, transfer_lr=2.0, pulses=pulses,
            transfer_pulses=pulses,
        )  # fmt: skip

        def step(carry, pair):
            params, state = carry
            more = {"factors": {"w": pair}} if with_factors else {}
            updates, state = rule.update({"w": gradient(pair)}, state, params, **more)
            return (optax.apply_updates(params, updates), state), None

        start = rule.init(params)
        train = jax.jit(lambda carry: jax.lax.scan(step, carry, batches)[0][1])
        return train((params, start)).weights["w"], start.weights["w"]

    free, start = run(3 * (DEVICE,), with_factors)
    assert all((a.w != b.w).any() for a, b in zip(free.tiles, start.tiles, strict=True))
    for n in (0, 2):
        devices = [Frozen(device=DEVICE) if n == k else DEVICE for k in range(3)]
        frozen, before = run(devices, with_factors)
        assert jax.tree.structure(frozen) == jax.tree.structure(free)
        jax.tree.map(np.testing.assert_array_equal, before, start)
        np.testing.assert_array_equal(frozen.tiles[n].w, start.tiles[n].w)
        assert not frozen.pulses.total[n].any()


def test_a_frozen_pair_stands_still():
    pair = OneSidedPair(device=SoftBounds(dw_min=0.1, w_max=1.0, w_min=0.0))
    rule = analogjax.analog_sgd(0.5, Frozen(device=pair), key=0)
    params = {"w": jnp.full(SHAPE, 0.2)}
    start = rule.init(params)
    _updates, state = rule.update({"w": gradient(batch(0))}, start, params, factors={"w": batch(0)})
    jax.tree.map(np.testing.assert_array_equal, state.weights["w"].tiles, start.weights["w"].tiles)


@pytest.mark.parametrize("dtod", [0.0, 0.3])
def test_saturation_counts_the_crosspoints_at_their_own_bounds(dtod):
    device = SoftBounds.with_states(10, w_max_dtod=dtod, w_min_dtod=dtod)
    w = jnp.linspace(-3.0, 3.0, 600).reshape(30, 20)
    tile = program_tile(jax.random.key(0), device, w)
    high, low = (jnp.broadcast_to(b, w.shape) for b in (tile.cells.w_max, tile.cells.w_min))
    expected = np.mean((np.asarray(w) >= high - 0.1) | (np.asarray(w) <= low + 0.1))
    assert float(jax.jit(saturation)(device, tile)) == pytest.approx(float(expected), abs=2e-3)
