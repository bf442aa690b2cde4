"""NNX layers: flax's own values and gradients, linen's factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from layers import FEATURES, LAYERS, inputs, linen_pair, nnx_pair, nonlinear, outer_sum

from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx


class Network(nnx.Module):
    """A convolution and a list of dense layers, one of them digital."""

    def __init__(self, rngs):
        self.conv = annx.Conv(1, 3, (2, 2), strides=2, padding="VALID", rngs=rngs)
        self.dense = nnx.List([annx.Linear(12, 4, rngs=rngs), nnx.Linear(4, 2, rngs=rngs)])

    def __call__(self, x):
        x = self.conv(x)
        x = x.reshape(x.shape[0], -1)
        for layer in self.dense:
            x = jnp.tanh(layer(x))
        return x


@pytest.fixture(scope="module")
def images():
    return jax.random.normal(jax.random.key(1), (4, 4, 4, 1))


def loss(layer, x):
    return nonlinear(layer(x))


def close(a, b, atol=2e-5):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_those_of_flax_and_of_linen(name):
    ours, theirs = nnx_pair(name)
    linen, _, params = linen_pair(name)
    x = inputs(name)

    @nnx.jit
    def all_of_them(ours, theirs, params, x):
        def linen_loss(params, taps):
            y = linen.apply({"params": params, "taps": taps}, x)
            return nonlinear(y), y

        taps = ann.taps(linen, {"params": params}, x)
        flax = nnx.value_and_grad(loss)(theirs, x)
        by_linen = jax.grad(linen_loss, argnums=(0, 1), has_aux=True)(params, taps)
        return annx.value_and_factors(loss)(ours, x), flax, by_linen, ours(x), theirs(x)

    (value, (grads, factors)), flax, by_linen, y, flax_y = all_of_them(ours, theirs, params, x)
    (linen_params, linen_factors), linen_y = by_linen
    close(y, flax_y, 1e-6)
    close(y, linen_y, 1e-6)
    close(value, flax[0])
    assert set(grads) == set(linen_params)
    for key, gradient in grads.items():
        close(gradient[...], flax[1][key][...])
        close(gradient[...], linen_params[key])
    jax.tree.map(close, factors["kernel"], linen_factors["kernel"])


@pytest.mark.parametrize("name", ["dense", "conv_2d_same_strided"])
def test_parameters_are_initialized_as_by_flax(name):
    arguments, shape = LAYERS[name]
    kind = "Conv" if "kernel_size" in arguments else "Linear"
    made, flax = (
        getattr(module, kind)(shape[-1], FEATURES, rngs=nnx.Rngs(3), **arguments)
        for module in (annx, nnx)
    )
    np.testing.assert_array_equal(made.kernel[...], flax.kernel[...])


def test_factors_lie_at_the_paths_of_the_analog_parameters(images):
    model = Network(nnx.Rngs(0))
    grads, factors = nnx.jit(annx.value_and_factors(loss))(model, images)[1]
    assert set(factors) == {"conv", "dense"}
    assert set(factors["dense"]) == {"0"}
    for pair, node in (
        (factors["conv"], grads["conv"]),
        (factors["dense"]["0"], grads["dense"][0]),
    ):
        assert set(pair) == {"kernel"}
        gradient = node["kernel"][...]
        close(outer_sum(pair["kernel"], gradient.shape), gradient)


def test_the_model_holds_no_taps_afterwards(images):
    model = Network(nnx.Rngs(0))
    before = nnx.graphdef(model)
    annx.value_and_factors(loss)(model, images)
    assert nnx.graphdef(model) == before
    assert model.conv.tap is None


@pytest.mark.parametrize("has_aux", [False, True])
def test_value_and_factors_returns_what_value_and_grad_does(images, has_aux):
    def wanted(model, x):
        y = model(x)
        return (nonlinear(y), {"logits": y}) if has_aux else nonlinear(y)

    @nnx.jit
    def both(model, x):
        ours = annx.value_and_factors(wanted, has_aux=has_aux)(model, x)
        return ours, nnx.value_and_grad(wanted, has_aux=has_aux)(model, x)

    (out, (grads, _)), (flax_out, flax_grads) = both(Network(nnx.Rngs(0)), images)
    jax.tree.map(close, out, flax_out)
    jax.tree.map(close, grads, flax_grads)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"feature_group_count": 3}, r"channels \(2\) and the features \(2\), got 3"),
        (
            {"mask": jnp.ones((3, 3, 2, 2))},
            r"Conv has mask=an array \(3, 3, 2, 2\), which no",
        ),
        ({"input_dilation": 2}, "Conv has input_dilation=2"),
    ],
)
def test_convolutions_that_no_crossbar_does_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        annx.Conv(2, 2, (3, 3), rngs=nnx.Rngs(0), **arguments)


def test_arguments_by_name_and_a_first_one_that_is_no_model():
    model = annx.Linear(4, 2, rngs=nnx.Rngs(0))
    x = jnp.ones((3, 4))
    value, (_, factors) = annx.value_and_factors(lambda m, x: m(x).sum())(model, x=x)
    assert value == model(x).sum()
    assert factors["kernel"].d.shape == (3, 2)
    with pytest.raises(TypeError, match=r"first argument must be the model, .* got ArrayImpl"):
        annx.value_and_factors(lambda x, m: m(x).sum())(x, model)


class Noisy(nnx.Module):
    def __init__(self, rngs):
        self.dense, self.dropout = annx.Linear(3, 3, rngs=rngs), nnx.Dropout(0.5)

    def __call__(self, x, rngs):
        return self.dropout(self.dense(x), rngs=rngs)


@pytest.mark.parametrize("jit", [lambda f: f, nnx.jit], ids=["eager", "jit"])
def test_generators_and_metrics_among_the_arguments_change_as_under_value_and_grad(jit):
    def loss(model, x, rngs, metrics):
        value = jnp.sum(model(x, rngs) ** 2)
        metrics["loss"].update(values=value)
        return value

    def train(gradient_of):
        model, rngs = Noisy(nnx.Rngs(0)), nnx.Rngs(1)
        metrics = nnx.Dict(loss=nnx.metrics.Average())
        step = jit(lambda *args: gradient_of(loss)(*args))
        taken = [step(model, jnp.ones((4, 3)), rngs, metrics) for _ in range(2)]
        return taken, rngs.default.count[...], metrics["loss"].compute()

    ours, theirs = train(annx.value_and_factors), train(nnx.value_and_grad)
    assert ours[1:] == theirs[1:]
    assert ours[0][0][0] != ours[0][1][0]
    for (value, (grads, factors)), (expected, gradient) in zip(ours[0], theirs[0], strict=True):
        assert value == expected
        jax.tree.map(close, grads, gradient)
        close(outer_sum(factors["dense"]["kernel"], (3, 3)), gradient["dense"]["kernel"][...])
