"""Linen layers: flax's own values and gradients, and the factors of the latter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from layers import LAYERS, inputs, linen_pair, nonlinear, outer_sum

import analogjax
from analogjax.devices import Ideal
from analogjax.nn import Factors, labels
from analogjax.nn import linen as ann


class Network(nn.Module):
    """A convolution, a dense layer twice nested, and one that stays digital."""

    @nn.compact
    def __call__(self, x):
        x = nn.tanh(ann.Conv(3, (2, 2), strides=2, padding="VALID")(x))
        x = nn.Sequential([ann.Dense(4), nn.tanh, ann.Dense(3, use_bias=False)])(
            x.reshape(x.shape[0], -1)
        )
        return nn.LayerNorm()(x)


@pytest.fixture(scope="module")
def network():
    model, x = Network(), jax.random.normal(jax.random.key(1), (4, 4, 4, 1))
    return model, jax.jit(model.init)(jax.random.key(0), x), x


def loss_of(model, variables, x):
    def loss(params, taps):
        return nonlinear(model.apply({**variables, "params": params, "taps": taps}, x))

    return loss


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_those_of_flax_and_factors_sum_to_them(name):
    ours, theirs, params = linen_pair(name)
    x = inputs(name)

    @jax.jit
    def both(params, x):
        def loss(params, x, taps, layer):
            y = layer.apply({"params": params, **taps}, x)
            return nonlinear(y), y

        gradient = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)
        taps = ann.taps(ours, {"params": params}, x)
        return gradient(params, x, {"taps": taps}, ours), gradient(params, x, {}, theirs)

    tapped, flax = both(params, x)
    (value, y), (by_params, by_x, _) = tapped
    (flax_value, flax_y), (flax_by_params, flax_by_x, _) = flax
    np.testing.assert_allclose(y, flax_y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(value, flax_value, rtol=1e-5)
    np.testing.assert_allclose(by_x, flax_by_x, rtol=1e-5, atol=1e-5)
    assert set(by_params) == set(flax_by_params)
    for key in by_params:
        np.testing.assert_allclose(by_params[key], flax_by_params[key], rtol=1e-5, atol=2e-5)
    factors = tapped[1][2]["taps"]["kernel"]
    kernel = flax[1][0]["kernel"]
    np.testing.assert_allclose(outer_sum(factors, kernel.shape), kernel, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["dense", "conv_2d_same_strided"])
def test_derivatives_in_a_direction_are_those_of_flax(name):
    ours, theirs, params = linen_pair(name)

    def change(layer):
        direction = jax.tree.map(jnp.cos, params)
        return jax.jvp(lambda p: layer.apply({"params": p}, inputs(name)), (params,), (direction,))

    own, flax = jax.jit(lambda: (change(ours), change(theirs)))()
    np.testing.assert_allclose(own[0], flax[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(own[1], flax[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["dense", "conv_2d_same_strided"])
def test_parameters_are_initialized_as_by_flax_and_nothing_else_is(name):
    ours, theirs, _ = linen_pair(name)
    made, flax = jax.jit(lambda *args: (ours.init(*args), theirs.init(*args)))(
        jax.random.key(2), inputs(name)
    )
    jax.tree.map(np.testing.assert_array_equal, made, flax)


def test_init_returns_parameters_alone(network):
    assert set(network[1]) == {"params"}


def test_factors_lie_at_the_paths_of_the_analog_parameters(network):
    model, variables, x = network
    factors = jax.eval_shape(
        jax.grad(loss_of(model, variables, x), 1),
        variables["params"],
        ann.taps(model, variables, x),
    )
    assert paths(factors, Factors) == {
        path for path, label in paths_and_leaves(labels(variables["params"])) if label == "analog"
    }
    assert len(paths(factors, Factors)) == 3


def test_a_tap_of_any_value_changes_neither_loss_nor_gradient(network):
    model, variables, x = network
    empty = ann.taps(model, variables, x)
    filled = jax.tree.map(lambda leaf: leaf + 7.0, empty)
    by_params = jax.jit(jax.value_and_grad(loss_of(model, variables, x)))
    reference = by_params(variables["params"], {})
    for taps in (empty, filled):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6),
            by_params(variables["params"], taps),
            reference,
        )


def test_compiled_factors_are_the_eager_ones():
    model, x = ann.Dense(2), jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)
    variables = {"params": {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2)}}

    def factors(variables, x):
        taps = ann.taps(model, variables, x)
        return jax.grad(loss_of(model, variables, x), 1)(variables["params"], taps)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        jax.jit(factors)(variables, x),
        factors(variables, x),
    )


def test_half_precision_factors_have_the_type_of_the_computation():
    layer, x = ann.Dense(2, dtype=jnp.bfloat16), jnp.ones((4, 3))
    variables = {"params": {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2)}}
    factors = jax.eval_shape(
        jax.grad(loss_of(layer, variables, x), 1),
        variables["params"],
        ann.taps(layer, variables, x),
    )
    assert {leaf.dtype for leaf in factors["kernel"]} == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize("mutable", [True, ["taps"]])
def test_given_taps_are_used_and_returned_as_they_are_where_variables_may_change(mutable):
    model, x = ann.Dense(2), jnp.ones((4, 3))
    variables = model.init(jax.random.key(0), x)
    taps = jax.tree.map(lambda leaf: leaf + 7.0, ann.taps(model, variables, x))
    y, changed = model.apply({**variables, "taps": taps}, x, mutable=mutable)
    np.testing.assert_array_equal(y, model.apply(variables, x))
    jax.tree.map(np.testing.assert_array_equal, changed["taps"], taps)


def test_taps_of_another_mini_batch_are_refused():
    model, x = ann.Dense(2), jnp.ones((4, 3))
    variables = model.init(jax.random.key(0), x)
    taps = ann.taps(model, variables, x)
    with pytest.raises(ValueError, match=r"tap of inputs \(4, 3\) was given for inputs \(1, 3\)"):
        model.apply({**variables, "taps": taps}, x[:1])


@pytest.mark.parametrize("groups", [0, 2, 4])
def test_groups_that_do_not_divide_channels_and_features_are_refused(groups):
    layer = ann.Conv(6, (3,), feature_group_count=groups)
    with pytest.raises(ValueError, match=rf"channels \(3\) and the features \(6\), got {groups}"):
        layer.init(jax.random.key(0), jnp.ones((1, 4, 3)))


def test_each_group_of_channels_is_a_vector_of_its_own():
    layer, x = ann.Conv(6, (3,), feature_group_count=2), jnp.ones((2, 5, 4))
    variables = layer.init(jax.random.key(0), x)
    taps = ann.taps(layer, variables, x)
    assert (taps["kernel"].x.shape, taps["kernel"].d.shape) == ((2, 5, 2, 6), (2, 5, 2, 3))


def paths_and_leaves(tree, kind=None):
    is_leaf = (lambda node: isinstance(node, kind)) if kind else None
    flat = jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_leaf)[0]
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in flat]


def paths(tree, kind):
    return {path for path, _ in paths_and_leaves(tree, kind)}


GROUPED = [name for name in LAYERS if "groups" in name or "depthwise" in name]


@pytest.mark.parametrize("name", GROUPED)
def test_grouped_kernels_move_by_their_gradient(name):
    layer, _, params = linen_pair(name)
    rule = analogjax.analog_sgd(0.3, Ideal(), key=0)

    @jax.jit
    def step(params, x):
        def loss(params, taps):
            return nonlinear(layer.apply({"params": params, "taps": taps}, x))

        grads, factors = jax.grad(loss, (0, 1))(params, ann.taps(layer, {"params": params}, x))
        kernel, gradient = ({"kernel": tree["kernel"]} for tree in (params, grads))
        return gradient, rule.update(gradient, rule.init(kernel), kernel, factors=factors)[0]

    gradient, update = step(params, inputs(name))
    np.testing.assert_allclose(update["kernel"], -0.3 * gradient["kernel"], rtol=1e-4, atol=2e-5)
