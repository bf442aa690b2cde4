"""What a run looks out for: numbers that are not finite, and what it silently suffers from."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import analogjax
from analogjax.devices import ConstantStep, SoftBounds
from analogjax.experiments._finite import describe, first_broken, part_names, parts_broken
from analogjax.experiments._options import GuardOptions
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._run import _check_finite
from analogjax.experiments._training import EpochMetrics, RunState, Training
from analogjax.experiments._watch import GUARDS, Guards, Symptoms, watcher

PARAMS = {"Dense_0": {"kernel": np.ones((2, 2)), "bias": np.ones(2)}}
QUIET = Symptoms(
    saturated={"a": np.array([0.1, 0.2])},
    pulses={"a": np.array([5.0, 7.0])},
    trains={"a": np.array([8.0, 1.0])},
    stage=np.array(1),
)


def broken(step, part):
    """Four steps in one of which a part is not finite."""
    parts = []
    for n in range(4):
        loss, params = jnp.ones(()), PARAMS
        bad = {"Dense_0": {"kernel": np.array([[1.0, np.inf], [1.0, 1.0]]), "bias": np.ones(2)}}
        if n >= step:
            loss = jnp.nan if part == "loss" else loss
            params = bad if part == "params" else params
        parts.append(parts_broken(loss, params))
    return first_broken(jnp.stack(parts))


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("loss", "the loss, first in step 3 of 4"),
        ("params", "the gradient or the weights of Dense_0/kernel, first in step 3 of 4"),
        (None, None),
    ],
)
def test_the_first_step_and_its_parts_are_named(part, told):
    assert describe(broken(2, part), part_names(PARAMS), steps=4) == told


def test_a_test_loss_that_is_not_finite_is_told_where_no_step_is_to_blame():
    whole = EpochMetrics(*np.ones((4, 1)), broken=broken(9, None))
    training = Training(init=None, epoch=None, steps_per_epoch=4)
    state = RunState(PARAMS, {}, (), jax.random.key(0), jnp.int32(1))
    settings = RuleSettings(rule="digital-sgd").complete()
    _check_finite(settings, training, 0, whole, state, None)
    endless = whole._replace(test_loss=np.array([np.inf]))
    with pytest.raises(FloatingPointError, match=r"in epoch 1: the loss\. Lower"):
        _check_finite(settings, training, 0, endless, state, None)


def test_of_several_seeds_the_one_that_breaks_first_is_named():
    several = jax.tree.map(
        lambda *parts: jnp.stack(parts), broken(9, None), broken(3, "params"), broken(1, "loss")
    )
    assert describe(several, part_names(PARAMS), steps=4) == "the loss, first in step 2 of 4"


def test_the_symptoms_of_a_run_are_what_its_tiles_hold():
    device = ConstantStep(dw_min=0.5).without_variation()
    rule = analogjax.residual_learning(
        1.0, device, key=0, num_tiles=2, transfer_every=100, warm_start=analogjax.Plateau(window=50)
    )
    params = {"kernel": jnp.zeros((2, 2))}
    state = rule.init(params)
    x, d = jnp.array([[1.0, 0.0], [0.0, 1e-3]]), jnp.array([[-100.0, 0.0], [0.0, 1e-3]])
    extra = {"factors": {"kernel": (x, d)}, "value": jnp.float32(1.0)}
    _, state = rule.update({"kernel": x.T @ d}, state, params, **extra)
    found = jax.device_get(watcher(device)(state))
    np.testing.assert_allclose(found.saturated["kernel"], [0.0, 0.25])
    np.testing.assert_array_equal(found.trains["kernel"], [2.0, 1.0])
    assert found.pulses["kernel"][0] == 0
    assert found.pulses["kernel"][1] >= 31
    assert found.stage == 0
    told = GUARDS.warnings(found, last=True)
    assert set(told) == {"still", "warm start"}
    assert told["still"].startswith("Tile 0 of kernel was never sent a pulse: try")


def test_several_seeds_are_watched_on_average():
    device = SoftBounds.with_states(4)
    rules = [analogjax.analog_sgd(1.0, device, key=seed) for seed in (0, 1)]
    params = {"kernel": jnp.full((3, 2), 0.3)}
    states = [rule.init(params) for rule in rules]
    both = jax.tree.map(lambda a, b: jnp.stack([a, b]), *states)
    axes = jax.tree.map(lambda leaf: 0, both)
    found = jax.device_get(watcher(device, axes)(both))
    each = [jax.device_get(watcher(device)(state)) for state in states]
    mean = np.mean([one.saturated["kernel"] for one in each], axis=0)
    np.testing.assert_allclose(found.saturated["kernel"], mean)


@pytest.mark.parametrize(
    ("change", "kind", "sentence"),
    [
        (
            {"saturated": {"a": np.array([0.1, 0.2]), "b": np.array([0.9])}},
            "saturation",
            "90%",
        ),
        ({"trains": {"a": np.array([8.0, 7.0])}}, "cut", "88% of the pulse trains of a were too"),
        ({"pulses": {"a": np.array([0.0, 0.0])}}, "still", r"Tile 0 of a \(and 1 more\) was never"),
        ({"stage": np.array(0)}, "warm start", "never left its first stage"),
    ],
)
def test_each_kind_of_reason_gives_a_warning_that_says_what_to_try(change, kind, sentence):
    (told,) = GUARDS.warnings(QUIET._replace(**change), last=True).items()
    assert told[0] == kind
    assert "try" in told[1]
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(told[1])


def test_without_a_reason_or_without_tiles_nothing_is_said():
    assert GUARDS.warnings(QUIET, last=True) == {}
    assert GUARDS.warnings(QUIET._replace(stage=np.array(0)), last=False) == {}
    nothing = jax.device_get(watcher(SoftBounds())({"momentum": jnp.zeros(3)}))
    assert GUARDS.warnings(nothing, last=True) == {}
    nothing = jax.device_get(watcher(SoftBounds(), (optax.EmptyState(),))((optax.EmptyState(),)))
    assert GUARDS.warnings(nothing, last=True) == {}
    patient = Guards(saturation=0.95)
    saturated = QUIET._replace(saturated={"a": np.array([0.9])})
    assert patient.warnings(saturated, last=True) == {}


def test_the_options_choose_the_guards_or_none():
    assert GuardOptions().chosen() == GUARDS
    assert GuardOptions(guards=False).chosen() is None
    assert GuardOptions(saturation_limit=0.9).chosen() == dataclasses.replace(
        GUARDS, saturation=0.9
    )
    with pytest.raises(ValueError, match=r"saturation_limit must lie in \[0, 1\], got 1.5"):
        GuardOptions(saturation_limit=1.5).chosen()
