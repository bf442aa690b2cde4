"""Noise and clipping in training: their laws, and that they compose with optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from analogjax.inference import clip_weights, perturb
from analogjax.nn import labels

KEY = jax.random.key(0)
PARAMS = {"kernel": jax.random.normal(KEY, (200, 50)), "bias": jnp.full(50, 9.0)}
ZEROS = jax.tree.map(jnp.zeros_like, PARAMS)


def clipped(transformation, params=PARAMS, updates=ZEROS):
    new, _ = transformation.update(updates, transformation.init(params), params)
    return optax.apply_updates(params, new)


def test_noise_has_the_spread_asked_for_and_biases_have_none():
    noisy = perturb(KEY, PARAMS, 0.05)
    change = np.asarray(noisy["kernel"] - PARAMS["kernel"])
    std = 0.05 * np.abs(PARAMS["kernel"]).max()
    np.testing.assert_allclose(change.std(), std, rtol=4 / np.sqrt(2 * change.size))
    np.testing.assert_allclose(change.mean(), 0.0, atol=4 * std / np.sqrt(change.size))
    np.testing.assert_array_equal(noisy["bias"], PARAMS["bias"])


def test_noise_on_bfloat16_has_no_mean():
    w = jnp.zeros((1000, 400), jnp.bfloat16).at[0, 0].set(1.0)
    noisy = perturb(KEY, {"kernel": w}, 1.0)["kernel"]
    assert noisy.dtype == jnp.bfloat16
    assert abs(np.asarray(noisy, np.float32).mean()) < 4 / np.sqrt(w.size)


def test_gradient_is_taken_at_the_noisy_weights_and_passed_on_as_it_is():
    grads = jax.grad(lambda p: (perturb(KEY, p, 0.1)["kernel"] ** 2).sum() / 2)(PARAMS)
    noisy = perturb(KEY, PARAMS, 0.1)
    np.testing.assert_allclose(grads["kernel"], noisy["kernel"], rtol=1e-6)


@pytest.mark.parametrize("std", [-0.1, np.nan])
def test_noise_out_of_range(std):
    with pytest.raises(ValueError, match=f"std must be a finite number of at least 0, got {std}"):
        perturb(KEY, PARAMS, std)


def test_matrices_end_within_a_fixed_bound_and_vectors_pass():
    params = clipped(clip_weights(bound=0.5))
    expected = np.clip(PARAMS["kernel"], -0.5, 0.5)
    np.testing.assert_allclose(params["kernel"], expected, atol=1e-6)
    np.testing.assert_array_equal(params["bias"], PARAMS["bias"])


def test_matrices_end_within_standard_deviations_of_the_updated_weights():
    updates = {"kernel": 3.0 * PARAMS["kernel"], "bias": jnp.ones(50)}
    params = clipped(clip_weights(num_stds=2.0), updates=updates)
    new = 4.0 * np.asarray(PARAMS["kernel"])
    limit = 2 * new.std()
    np.testing.assert_allclose(params["kernel"], np.clip(new, -limit, limit), atol=1e-5)
    np.testing.assert_array_equal(params["bias"], PARAMS["bias"] + 1.0)


def test_weights_within_the_bound_are_left_alone_and_clipping_twice_is_clipping_once():
    transformation = clip_weights(bound=0.5)
    once = clipped(transformation)
    np.testing.assert_allclose(clipped(transformation, once)["kernel"], once["kernel"], atol=1e-7)
    updates, _ = clip_weights(bound=100.0).update(ZEROS, optax.EmptyState(), PARAMS)
    np.testing.assert_array_equal(updates["kernel"], 0.0)


def test_it_composes_with_chain_partition_and_masked_under_jit():
    step = optax.chain(optax.sgd(1.0), clip_weights(bound=0.5))
    split = optax.partition({"analog": step, "digital": optax.sgd(1.0)}, labels)
    masked = optax.masked(clip_weights(bound=0.5), {"kernel": False, "bias": True})
    grads = {"kernel": jnp.full((200, 50), -2.0), "bias": jnp.ones(50)}
    after = jax.jit(lambda p: clipped(split, p, grads))(PARAMS)
    np.testing.assert_allclose(jnp.abs(after["kernel"]).max(), 0.5, rtol=1e-6)
    np.testing.assert_array_equal(after["bias"], 8.0)
    np.testing.assert_array_equal(clipped(masked)["kernel"], PARAMS["kernel"])


def test_bounds_can_be_vmapped():
    largest = jax.vmap(lambda b: jnp.abs(clipped(clip_weights(bound=b))["kernel"]).max())
    np.testing.assert_allclose(largest(jnp.array([0.1, 0.5])), [0.1, 0.5], rtol=1e-5)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({}, "Give either num_stds or bound, got num_stds=None and bound=None"),
        ({"num_stds": 2.0, "bound": 1.0}, "got num_stds=2.0 and bound=1.0"),
        ({"num_stds": 0.0}, "num_stds must be a finite positive number, got 0.0"),
        ({"bound": -1.0}, "bound must be a finite positive number, got -1.0"),
    ],
)
def test_bounds_out_of_range(bounds, message):
    with pytest.raises(ValueError, match=message):
        clip_weights(**bounds)


def test_parameters_are_needed():
    with pytest.raises(ValueError, match=r"call update\(grads, state, params\)"):
        clip_weights(bound=1.0).update(ZEROS, optax.EmptyState())


def test_narrow_updates_do_not_let_weights_out_of_the_bound():
    params = {"w": jnp.linspace(-0.3, 0.3, 12).reshape(3, 4)}
    updates = {"w": jnp.zeros((3, 4), jnp.bfloat16)}
    new, _ = clip_weights(bound=0.1).update(updates, optax.EmptyState(), params)
    np.testing.assert_allclose(
        optax.apply_updates(params, new)["w"], jnp.clip(params["w"], -0.1, 0.1), rtol=1e-6
    )


def test_squares_that_overflow_leave_a_standard_deviation():
    params = {"w": jnp.array([[600.0, -600.0, 0.0, 0.0]], jnp.float16)}
    new, _ = clip_weights(num_stds=1.0).update(
        {"w": jnp.zeros((1, 4), jnp.float16)}, optax.EmptyState(), params
    )
    assert float(jnp.abs(optax.apply_updates(params, new)["w"]).max()) < 450
