"""When a staged warm start moves on."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import RULES, SHAPE, make

import analogjax
from analogjax import Plateau, Stages
from analogjax.devices import Ideal, SoftBounds, VectorCell
from analogjax.pulses import ExpectedPulses


def specified(losses, window, eager, threshold, patient):
    """The plateau rule as one would say it: a list of window means, emptied at each trigger."""
    stages, memory, open_window, stage = [], [], [], 0
    for loss in losses:
        open_window.append(loss)
        if len(open_window) == window:
            memory.append(sum(open_window) / window)
            open_window = []
            rises = [b - a for a, b in itertools.pairwise(memory)]
            if stage < eager:
                trigger = bool(rises) and rises[-1] > threshold
            else:
                trigger = len(memory) >= 6 and sum(rise > patient for rise in rises[-5:]) >= 2
            if trigger:
                stage += 1
                memory = []
        stages.append(stage)
    return stages


def stages_of(warm_start, losses):
    def advance(state, loss):
        return warm_start.advance(state, 0, loss)

    _, stages = jax.jit(lambda losses: jax.lax.scan(advance, warm_start.init(), losses))(
        jnp.asarray(losses, jnp.float32)
    )
    return stages.tolist()


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("eager", [0, 4])
@pytest.mark.parametrize("threshold", [0.0, 0.25])
@pytest.mark.parametrize("patient", [None, -0.125])
def test_plateau_triggers_as_specified_on_random_losses(window, eager, threshold, patient):
    # Multiples of 1/64, so that means are exact.
    losses = np.random.default_rng(0).integers(0, 64, 600) / 64
    plateau = Plateau(window=window, eager=eager, threshold=threshold, patient_threshold=patient)
    least = threshold if patient is None else patient
    expected = specified(losses, window, eager, threshold, least)
    assert stages_of(plateau, losses) == expected
    assert expected[-1] > eager + 2


FALLING = [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
EXAMPLES = {
    "never_while_the_loss_falls": (4, FALLING, [0] * 8),
    "eager_at_the_first_rise": (1, [3.0, 2.0, 2.5], [0, 0, 1]),
    "not_at_an_equal_loss": (1, [3.0, 2.0, 2.0, 2.0], [0, 0, 0, 0]),
    "memory_is_cleared": (2, [1.0, 2.0, 3.0, 4.0], [0, 1, 1, 2]),
    "patient_needs_two_rises_of_five": (0, [9, 8, 9, 8, 7, 6, 5, 4], [0] * 8),
    "patient_waits_for_six_losses": (0, [1, 2, 3, 4, 5, 6, 7], [0, 0, 0, 0, 0, 1, 1]),
    "patient_forgets_old_rises": (0, [9, 10, 9, 8, 7, 6, 5, 6, 4], [0] * 9),
    "patient_sees_two_recent_rises": (0, [9, 8, 7, 6, 7, 5, 6, 4], [0, 0, 0, 0, 0, 0, 1, 1]),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_plateau_triggers(name):
    eager, losses, expected = EXAMPLES[name]
    assert stages_of(Plateau(eager=eager), losses) == expected
    assert specified(losses, 1, eager, 0.0, 0.0) == expected


def test_plateau_looks_at_means_of_windows_only():
    # Wild within windows of three, whose means fall: 3, 2, 1.
    assert stages_of(Plateau(window=3), [0, 0, 9, 6, 0, 0, 1, 2, 0]) == [0] * 9


def test_stages_follow_each_other_at_equal_lengths():
    stages = Stages(3.0)
    assert [int(stages.advance((), count, None)[1]) for count in range(8)] == [
        0, 0, 0, 1, 1, 1, 2, 2,
    ]  # fmt: skip
    assert isinstance(stages.advance((), 8, None)[1], int)


def residual(warm_start):
    return analogjax.residual_learning(
        0.1, SoftBounds.with_states(10), key=0, num_tiles=3, transfer_every=(2, 1),
        warm_start=warm_start, pulses=ExpectedPulses(), transfer_pulses=ExpectedPulses(),
    )  # fmt: skip


def test_loss_given_to_update_drives_the_stage_and_so_the_tile_that_moves():
    rule = residual(Plateau(window=1))
    params = {"w": jnp.zeros((1, 2))}
    state = rule.init(params)
    update = jax.jit(
        lambda state, loss: rule.update({"w": -jnp.ones((1, 2))}, state, params, value=loss)[1]
    )
    for loss, stage, moving in (
        (3.0, 0, {0, 2}), (2.0, 0, {0, 2}), (2.5, 1, {1, 2}), (1.0, 1, {1, 2}), (9.0, 2, {1, 2}),
        (9.0, 2, {0, 1, 2}),
    ):  # fmt: skip
        before = [tile.w for tile in state.weights["w"].tiles]
        state = update(state, loss)
        assert int(optax.tree.get(state, "stage")) == stage
        after = [tile.w for tile in state.weights["w"].tiles]
        assert {n for n in range(3) if (before[n] != after[n]).all()} == moving


def test_plateau_without_the_loss_names_both_remedies():
    rule = residual(Plateau())
    params = {"w": jnp.zeros((1, 2))}
    with pytest.raises(ValueError, match=r"update\(\.\.\., value=loss\).*Stages\(steps\)"):
        rule.update(params, rule.init(params), params)


@pytest.mark.parametrize(
    ("warm_start", "message"),
    [
        (Stages(0), "Stages.steps must be a whole number of at least 1, got 0"),
        (Stages(1.5), "Stages.steps must be a whole number of at least 1, got 1.5"),
        (Plateau(window=0), "Plateau.window must be a whole number of at least 1, got 0"),
        (Plateau(eager=-1), "Plateau.eager must be a whole number of at least 0, got -1"),
        (Plateau(threshold=-0.5), r"Plateau.threshold must be .* at least 0, got -0\.5"),
        (Plateau(patient_threshold=float("nan")), "Plateau.patient_threshold .*, got nan"),
    ],
)
def test_length_that_is_no_count_is_refused(warm_start, message):
    with pytest.raises(ValueError, match=message):
        residual(warm_start).init({"w": jnp.zeros((1, 2))})


def test_uneven_periods_do_not_add_transfers_to_a_warm_start():
    device = SoftBounds.with_states(20).without_variation()
    rule = analogjax.residual_learning(
        0.1,
        device,
        key=0,
        num_tiles=3,
        transfer_every=(3, 2),
        warm_start=Stages(100),
        pulses=ExpectedPulses(),
        transfer_pulses=ExpectedPulses(),
    )
    params = {"w": jnp.zeros((1, 1))}
    state = rule.init(params)
    moved = []
    for step in range(1, 9):
        before = state.weights["w"].tiles[0].w
        _, state = rule.update({"w": -jnp.ones((1, 1))}, state, params)
        if state.weights["w"].tiles[0].w != before:
            moved.append(step)
    assert moved == [2, 4, 6, 8]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {}) for name in RULES),
        ("residual_learning", {"warm_start": Stages(2)}),
        ("residual_learning", {"warm_start": Plateau()}),
    ],
)
def test_a_new_state_can_be_donated(name, settings):
    """No array of it is there twice, in a state made by init nor in one made by a jitted init."""
    rule = make(name, **settings)
    params = {"w": jnp.zeros(SHAPE)}
    step = jax.jit(
        lambda state: rule.update(params, state, params, value=jnp.float32(1.0))[1],
        donate_argnums=0,
    )
    for init in (rule.init, jax.jit(rule.init)):
        assert int(step(init(params)).count) == 1


@pytest.mark.parametrize("name", RULES)
def test_a_key_is_not_donated_with_the_state(name):
    key = jax.random.key(3)
    rules = [make(name, key=key), make(name, key=key)]
    params = {"w": jnp.zeros(SHAPE)}
    states = [rule.init(params) for rule in rules]
    jax.jit(lambda states: jax.tree.map(lambda leaf: leaf, states), donate_argnums=0)(states)
    assert int(rules[0].init(params).count) == 0


CELL = VectorCell(devices=2 * (SoftBounds(),), significance=tuple(jnp.array([1.0, 0.5])))


@pytest.mark.parametrize("device", [Ideal(), CELL], ids=["Ideal", "VectorCell"])
def test_states_of_special_devices_can_be_donated(device):
    rule = analogjax.tiki_taka(0.1, device, key=0)
    params = {"w": jnp.zeros(SHAPE)}
    step = jax.jit(lambda state: rule.update(params, state, params)[1], donate_argnums=0)
    assert int(step(rule.init(params)).count) == 1


def test_a_new_plateau_has_no_nan():
    with jax.debug_nans(True):
        rule = make("residual_learning", warm_start=Plateau())
        params = {"w": jnp.zeros(SHAPE)}
        _, state = rule.update(params, rule.init(params), params, value=1.0)
    assert int(state.warm_start.stage) == 0


def test_a_nested_period_longer_than_the_step_counter_never_comes():
    rule = make("residual_learning", num_tiles=6, transfer_every=1000)
    params = {"w": jnp.zeros(SHAPE)}
    _, state = jax.jit(rule.update)(params, rule.init(params), params)
    assert int(state.count) == 1
