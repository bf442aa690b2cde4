"""Layers whose products go through converters, in linen and in nnx."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx
from flax.errors import InvalidRngError
from layers import FEATURES, LAYERS, inputs, linen_pair, nnx_pair

from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx
from analogjax.periphery import AnalogIO, mvm

# Coarse, and without chance.
COARSE = AnalogIO(inp_res=14, out_res=62, out_noise=0.0, bound_management="none")
BACK = dataclasses.replace(COARSE, inp_res=30)
NOISY = AnalogIO(out_noise=0.5)
KEY = jax.random.key(7)
ROOT = jax.random.key(3)


def values_and_gradients(layer, params, x):
    def loss(params, x):
        y = layer.apply({"params": params}, x, rngs={"analog": KEY})
        return jnp.sum(jnp.sin(y)), y

    grads, y = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(params, x)
    return y, grads


def same(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), one, other)


@pytest.mark.parametrize("name", ["dense", "conv_2d_same_strided", "conv_1d_groups_padded"])
def test_perfect_converters_change_nothing(name):
    ours, theirs, params = linen_pair(name)
    perfect = ours.clone(io=AnalogIO.perfect(), io_backward=AnalogIO.perfect())
    x = inputs(name)
    same(values_and_gradients(perfect, params, x), values_and_gradients(theirs, params, x))
    layer = nnx_pair(name)[0]
    plain = layer(x)
    layer.io = AnalogIO.perfect()
    same(layer(x), plain)


def test_converters_that_were_sampled_line_by_line():
    io = AnalogIO(out_noise_std=0.3, out_noise=0.1).sample(KEY, (3, FEATURES))
    back = AnalogIO(out_noise_std=0.3, out_noise=0.1).sample(KEY, (FEATURES, 3))
    layer = annx.Linear(3, FEATURES, io=io, io_backward=back, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(layer.io.out_noise, io.out_noise)
    assert layer.io.out_bound == io.out_bound  # What is no array can be seen in a trace.

    @nnx.jit
    def gradient(layer, x):
        return annx.value_and_factors(lambda layer, x: layer(x).std(0).mean())(layer, x)

    x = jnp.ones((2000, 3))  # All alike, but for the noise of their products.
    spread, (grads, _) = gradient(layer, x)
    assert float(spread) == pytest.approx(float(io.out_noise.mean()), rel=0.05)
    assert set(grads) == {"kernel", "bias"}
    layer.io = dataclasses.replace(layer.io, out_noise=2 * layer.io.out_noise)
    assert float(gradient(layer, x)[0] / spread) == pytest.approx(2.0, rel=0.05)
    layer.io = AnalogIO.perfect()
    assert float(gradient(layer, x)[0]) == pytest.approx(0.0, abs=1e-6)


def by_hand(x, kernel, bias):
    """Value and gradients of a dense layer through coarse converters."""
    y = mvm(KEY, x, kernel, COARSE) + bias
    d = jnp.cos(y)
    return y, ({"kernel": x.T @ d, "bias": d.sum(0)}, mvm(KEY, d, kernel.T, BACK))


def test_values_and_errors_go_through_their_own_converters():
    _, theirs, params = linen_pair("dense")
    x = inputs("dense")
    layer = ann.Dense(FEATURES, io=COARSE, io_backward=BACK)
    expected = by_hand(x, params["kernel"], params["bias"])
    same(values_and_gradients(layer, params, x), expected)
    exact = values_and_gradients(layer.clone(io_backward=None), params, x)
    same(exact[1][1], jnp.cos(expected[0]) @ params["kernel"].T)
    assert jnp.abs(expected[0] - theirs.apply({"params": params}, x)).max() > 0.02

    model = annx.Linear(3, FEATURES, io=COARSE, io_backward=BACK, rngs=nnx.Rngs(0))
    model.kernel[...], model.bias[...] = params["kernel"], params["bias"]
    value, (grads, factors) = annx.value_and_factors(lambda m, x: jnp.sum(jnp.sin(m(x))))(model, x)
    assert float(value) == pytest.approx(float(jnp.sin(expected[0]).sum()), rel=1e-5)
    same(grads["kernel"][...], expected[1][0]["kernel"])
    # An array is pulsed with the vectors as they are fed, not as converters round them.
    same((factors["kernel"].x, factors["kernel"].d), (x, jnp.cos(expected[0])))


def test_factors_are_gathered_through_noise():
    layer = ann.Dense(FEATURES, io=NOISY, io_backward=NOISY)
    x = inputs("dense")
    variables = layer.init(ROOT, x)
    rngs = {"analog": KEY}
    taps = ann.taps(layer, variables, x, rngs=rngs)

    def loss(params, taps):
        y = layer.apply({"params": params, "taps": taps}, x, rngs=rngs)
        return jnp.sum(jnp.sin(y)), y

    (grads, factors), y = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(
        variables["params"], taps
    )
    same(factors["kernel"].d, jnp.cos(y))
    same(factors["kernel"].x.T @ factors["kernel"].d, grads["kernel"])


def test_noise_is_drawn_anew_at_each_call_and_again_from_the_same_key():
    layer = ann.Dense(FEATURES, io=NOISY)
    x = jnp.ones((200, 3))
    variables = layer.init(ROOT, x)
    first, again, other = (layer.apply(variables, x, rngs={"analog": k}) for k in (KEY, KEY, ROOT))
    np.testing.assert_array_equal(first, again)
    quiet = x @ variables["params"]["kernel"]
    errors = np.stack([first - quiet, other - quiet])
    np.testing.assert_allclose(errors.std(axis=(1, 2)), 0.5, rtol=0.1)
    assert abs(np.corrcoef(errors.reshape(2, -1))[0, 1]) < 4.5 / 1200**0.5

    model = annx.Linear(3, FEATURES, io=NOISY, rngs=nnx.Rngs(0, analog=1))
    twin = annx.Linear(3, FEATURES, io=NOISY, rngs=nnx.Rngs(0, analog=1))
    calls = [np.asarray(model(x)) for _ in range(2)]
    np.testing.assert_array_equal(calls[0], twin(x))
    assert (calls[0] != calls[1]).any()


def test_groups_have_noise_of_their_own():
    name = "conv_1d_groups_padded"
    ours, _, params = linen_pair(name)
    params = jax.tree.map(jnp.zeros_like, params)
    x = jnp.ones((200, *LAYERS[name][1][1:]))
    y = ours.clone(io=NOISY).apply({"params": params}, x, rngs={"analog": KEY})
    groups = np.moveaxis(np.asarray(y).reshape(-1, 3, FEATURES // 3), 1, 0).reshape(3, -1)
    correlations = np.corrcoef(groups)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 4.5 / groups.shape[1] ** 0.5


def test_noise_under_remat_and_scan():
    class Step(ann.Dense):
        def __call__(self, x, _):
            return super().__call__(x), None

    class Loop(nn.Module):
        @nn.compact
        def __call__(self, x):
            scanned = nn.scan(
                nn.remat(Step),
                variable_broadcast="params",
                split_rngs={"params": False, "analog": True},
                length=3,
            )
            return scanned(3, io=NOISY, io_backward=NOISY)(x, None)[0]

    x = jnp.ones((2, 3))
    variables = Loop().init(ROOT, x)
    loss = jax.jit(jax.grad(lambda v: Loop().apply(v, x, rngs={"analog": KEY}).sum()))
    grads = loss(variables)
    same(grads, loss(variables))
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))


def test_noise_without_a_key_is_refused():
    layer = ann.Dense(FEATURES, io=NOISY)
    variables = layer.init(ROOT, jnp.ones((1, 3)))
    with pytest.raises(InvalidRngError, match="analog"):
        layer.apply(variables, jnp.ones((1, 3)))


def test_half_precision_goes_through_converters():
    layer = ann.Dense(FEATURES, dtype=jnp.bfloat16, io=NOISY, io_backward=NOISY)
    x = jnp.ones((2, 3), jnp.bfloat16)
    variables = layer.init(ROOT, x)
    y, back = jax.vjp(lambda x: layer.apply(variables, x, rngs={"analog": KEY}), x)
    assert y.dtype == back(y)[0].dtype == jnp.bfloat16
