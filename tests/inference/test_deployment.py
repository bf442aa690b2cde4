"""Whole networks on arrays: what is programmed, what is read, and by which draws."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import analogjax
from analogjax.devices import (
    ConstantStep,
    OneSidedPair,
    PowerLawDrift,
    ReferencePair,
    SoftBounds,
    VectorCell,
)
from analogjax.inference import DriftOnly, PCMNoise, keep_tiles, program, read
from analogjax.nn import labels
from analogjax.tiles import effective_weight

KEY, NOISE = jax.random.key(0), PCMNoise()
QUIET = PCMNoise(prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=0.0)


def network(key=KEY):
    keys = jax.random.split(key, 3)
    return {
        "Conv_0": {"kernel": jax.random.normal(keys[0], (2, 2, 1, 4)), "bias": jnp.ones(4)},
        "Dense_0": {"kernel": jax.random.normal(keys[1], (6, 2)), "bias": jnp.ones(2)},
    }


@jax.jit
def later(key, noise, t):
    """The network at some time after it was programmed."""
    return read(key, noise, program(key, noise, network()), t)


def same(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def test_quiet_arrays_give_the_parameters_back():
    same(later(KEY, QUIET, 1e7), network(), atol=1e-6)


def test_digital_parameters_stay_and_analog_ones_move():
    params = later(KEY, NOISE, 60.0)
    for layer, new in params.items():
        np.testing.assert_array_equal(new["bias"], network()[layer]["bias"])
        assert (new["kernel"] != network()[layer]["kernel"]).all()


def test_another_layer_changes_no_draw_and_layers_differ():
    small = {"Dense_0": network()["Dense_0"]}
    alone = jax.jit(lambda: read(KEY, NOISE, program(KEY, NOISE, small), 60.0))()
    among = later(KEY, NOISE, 60.0)
    same(alone["Dense_0"], among["Dense_0"], rtol=1e-6)
    twins = {"a": {"kernel": jnp.ones((4, 4))}, "b": {"kernel": jnp.ones((4, 4))}}
    drawn = jax.jit(lambda: read(KEY, NOISE, program(KEY, NOISE, twins), 60.0))()
    assert (drawn["a"]["kernel"] != drawn["b"]["kernel"]).all()


def test_only_labelled_weights_are_programmed():
    only_dense = functools.partial(labels, analog="Dense")
    params = read(KEY, NOISE, program(KEY, NOISE, network(), param_labels=only_dense), 60.0)
    np.testing.assert_array_equal(params["Conv_0"]["kernel"], network()["Conv_0"]["kernel"])
    assert (params["Dense_0"]["kernel"] != network()["Dense_0"]["kernel"]).all()


def test_largest_weights_for_all_or_by_path():
    everywhere = read(KEY, QUIET, program(KEY, QUIET, network(), w_max=0.5), 0.0)
    dense = read(KEY, QUIET, program(KEY, QUIET, network(), w_max={"Dense_0/kernel": 0.5}), 0.0)
    for layer in network():
        np.testing.assert_allclose(jnp.abs(everywhere[layer]["kernel"]).max(), 0.5, rtol=1e-6)
    same(dense["Conv_0"], network()["Conv_0"], atol=1e-6)
    same(dense["Dense_0"], everywhere["Dense_0"], rtol=0)


def test_jit_and_vmap_change_nothing_and_types_are_kept():
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), network())

    def at(key, t):
        return read(key, NOISE, program(key, NOISE, params), t)

    keys = jax.random.split(KEY, 2)
    both = jax.jit(jax.vmap(at, (0, None)))(keys, 60.0)
    one = at(keys[1], 60.0)
    assert one["Dense_0"]["kernel"].dtype == jnp.bfloat16
    same(jax.tree.map(lambda leaf: leaf[1], both), one, rtol=0.01, atol=1e-3)


def test_the_parameters_of_an_nnx_model():
    model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    graph, params = nnx.split(model, nnx.Param)
    old = nnx.merge(graph, read(KEY, NOISE, program(KEY, NOISE, params), 60.0))
    assert (old.kernel[...] != model.kernel[...]).all()
    np.testing.assert_array_equal(old.bias[...], model.bias[...])


def test_drift_alone_is_that_of_the_device():
    drift = PowerLawDrift(nu=0.2, nu_dtod=0.3, t0=2.0)
    noise, w = DriftOnly(drift=drift), jnp.linspace(-1, 1, 6).reshape(2, 3)
    array = noise.program(KEY, w)
    expected = w * (1 + 10.0 / 2.0) ** -np.asarray(drift.sample(KEY, w.shape))
    np.testing.assert_allclose(noise.read(KEY, array, 10.0), expected, rtol=1e-5)
    clipped = noise.program(KEY, w, 0.5)
    np.testing.assert_allclose(noise.read(KEY, clipped, 0.0), np.clip(w, -0.5, 0.5))


# Rules and devices whose tiles are kept.
TRAINED = {
    "three tiles": lambda: analogjax.residual_learning(
        0.3, SoftBounds.with_states(20), key=0, num_tiles=3
    ),
    "pairs": lambda: analogjax.analog_sgd(
        0.1, OneSidedPair(device=ConstantStep(dw_min=0.05, w_min=0.0)), key=0
    ),
}
ALIKE = SoftBounds(dw_min=0.01, write_noise_std=1.0).without_variation()
# Devices of several conductances, and the significance of each.
SEVERAL = {
    "reference pair": (ReferencePair(device=ALIKE, reference_mean=0.2), [1.0, -1.0]),
    "four alike": (VectorCell(devices=4 * (ALIKE,)), [0.25] * 4),
    "three of falling significance": (
        VectorCell(devices=3 * (ALIKE,), significance=(1.0, 0.5, 0.25)),
        [1.0, 0.5, 0.25],
    ),
}


@functools.cache
def trained(name):
    """State and parameters of a rule within a partition, after a step."""
    params = jax.tree.map(lambda leaf: 0.1 * leaf, {"Conv_0": network()["Conv_0"]})
    rule = optax.partition({"analog": TRAINED[name](), "digital": optax.sgd(0.1)}, labels)

    @jax.jit
    def run(params):
        state = rule.init(params)
        updates, state = rule.update(jax.tree.map(jnp.sin, params), state, params)
        return state, optax.apply_updates(params, updates)

    return run(params)


@pytest.mark.parametrize("name", TRAINED)
def test_trained_tiles_are_kept_as_they_are(name):
    state, params = trained(name)
    same(read(KEY, QUIET, keep_tiles(KEY, QUIET, state, params), 1e7), params, atol=1e-5)


@pytest.mark.parametrize(("name", "arrays"), [("three tiles", 3), ("pairs", 2)])
def test_every_tile_and_conductance_drifts_on_its_own(name, arrays):
    state, params = trained(name)
    noise = DriftOnly(drift=PowerLawDrift(nu=0.1, nu_dtod=0.5))
    deployed = keep_tiles(KEY, noise, state, params)
    assert {len(own) for own in deployed.arrays.values()} == {arrays}
    faded = read(KEY, noise, deployed, 100.0)["Conv_0"]["kernel"]
    own, scales = deployed.arrays["Conv_0/kernel"], deployed.scales["Conv_0/kernel"]
    parts = [s * array.w * 101.0**-array.nu for s, array in zip(scales, own, strict=True)]
    np.testing.assert_allclose(faded.reshape(4, 4), sum(parts), atol=1e-6)


@pytest.mark.parametrize("name", SEVERAL)
def test_every_conductance_is_an_array_with_its_significance(name):
    device, significance = SEVERAL[name]
    kernel = {"kernel": jnp.full((64, 64), 0.5)}
    state = analogjax.analog_sgd(0.1, device, key=0).init(kernel)
    (stack,) = analogjax.rules.tile_stacks(state).values()
    params = {"kernel": effective_weight(stack)}  # With the write noise of the programming.
    deployed = keep_tiles(KEY, QUIET, state, params)
    np.testing.assert_allclose(deployed.scales["kernel"], significance)
    same(read(KEY, QUIET, deployed, 1e7), params, atol=1e-5)


@pytest.mark.parametrize("significance", [(1.0,), (0.25,) * 4, (1.0, 0.5, 0.25)])
def test_conductances_average_out_the_noise_of_their_reads(significance):
    one = dataclasses.replace(ALIKE, write_noise_std=0.0)
    device = VectorCell(devices=len(significance) * (one,), significance=significance)
    params = {"kernel": jnp.full((64, 64), 0.5)}
    state = analogjax.analog_sgd(0.1, device, key=0).init(params)
    noise = dataclasses.replace(QUIET, read_noise_scale=1.0)
    deployed = keep_tiles(KEY, noise, state, params, w_max=1.0)
    # Equal shares of the weight, read with equal errors that are independent.
    share = 0.5 / sum(significance)
    error = share * noise.read_std(25.0 * share, 60.0) * np.linalg.norm(significance)
    spread = np.std(read(KEY, noise, deployed, 60.0)["kernel"])
    np.testing.assert_allclose(spread, error, rtol=4 / np.sqrt(2 * 64**2))


def test_keeping_tiles_under_jit():
    state, params = trained("three tiles")
    kept = jax.jit(lambda state, params: keep_tiles(KEY, QUIET, state, params))(state, params)
    same(read(KEY, QUIET, kept, 1.0), params, atol=1e-5)


def test_one_label_may_stand_for_all_parameters_below_it():
    whole = program(KEY, NOISE, network(), param_labels=lambda p: dict.fromkeys(p, "analog"))
    leaves = program(
        KEY, NOISE, network(), param_labels=lambda p: jax.tree.map(lambda _: "analog", p)
    )
    same(read(KEY, NOISE, whole, 1.0), read(KEY, NOISE, leaves, 1.0))


def test_weights_that_are_no_real_numbers_are_refused():
    params = {"kernel": jnp.ones((2, 3), jnp.int32)}
    with pytest.raises(ValueError, match="'kernel' is of type int32: conductances are real"):
        program(jax.random.key(0), PCMNoise(), params)


def test_labels_that_do_not_fit():
    with pytest.raises(ValueError, match="must be 'analog' or 'digital', got 'pcm'"):
        program(KEY, NOISE, network(), param_labels=lambda p: jax.tree.map(lambda _: "pcm", p))
    with pytest.raises(ValueError, match=r"No parameter is labelled 'analog' among .*param_labels"):
        program(KEY, NOISE, network(), param_labels=lambda p: jax.tree.map(lambda _: "digital", p))
    with pytest.raises(ValueError, match="w_max names 'Dense_1/kernel', but the analog weights"):
        program(KEY, NOISE, network(), w_max={"Dense_1/kernel": 1.0})


def test_states_that_do_not_fit():
    state, params = trained("three tiles")
    with pytest.raises(ValueError, match="The state holds no tiles: give the optimizer's state"):
        keep_tiles(KEY, NOISE, optax.sgd(0.1).init(params), params)
    with pytest.raises(ValueError, match="'Conv_0/kernel' is not the scaled sum of its tiles"):
        keep_tiles(KEY, NOISE, state, jax.tree.map(lambda leaf: 2 * leaf, params))
    with pytest.raises(ValueError, match=r"tiles of 'Conv_0/kernel', .*which the parameters lack"):
        keep_tiles(KEY, NOISE, state, {"Dense_0": network()["Dense_0"]})
    beyond = {"kernel": jnp.full((2, 1), 1.5)}
    state = analogjax.analog_sgd(0.1, ALIKE, key=0).init(beyond)
    with pytest.raises(ValueError, match=r"weights that were clipped to the bounds .* choppers"):
        keep_tiles(KEY, NOISE, state, beyond)


@pytest.mark.parametrize("t", [np.array([0.0, 1e8]), [0.0, 1e8], jnp.zeros(1)])
def test_a_network_is_read_at_one_time(t):
    deployed = program(KEY, NOISE, {"kernel": jnp.ones((3, 2))})
    with pytest.raises(ValueError, match=r"t must be one number, got an array of shape \([12],\)"):
        read(KEY, NOISE, deployed, t)


def test_arrays_are_read_by_the_model_that_programmed_them():
    models = (NOISE, DriftOnly(drift=PowerLawDrift()))
    for own, other in (models, models[::-1]):
        deployed = program(KEY, own, {"kernel": jnp.ones((3, 2))})
        name = type(other).__name__
        with pytest.raises(TypeError, match=f"{name} reads arrays that a {name} has programmed"):
            read(KEY, other, deployed, 1.0)
