"""Models that are more than their analog layers can be tapped too."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx

from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx


class _Normed(nnx.Module):
    def __init__(self, rngs):
        self.layer = annx.Linear(3, 2, rngs=rngs)
        self.norm = nnx.BatchNorm(2, rngs=rngs)

    def __call__(self, x):
        return self.norm(self.layer(x))


def test_statistics_are_updated_as_by_flax():
    x = jax.random.normal(jax.random.key(0), (8, 3))

    def loss(model, x):
        return (model(x) ** 3).sum()

    ours, theirs = _Normed(nnx.Rngs(0)), _Normed(nnx.Rngs(0))
    value, (_, factors) = annx.value_and_factors(loss)(ours, x)
    expected, _ = nnx.value_and_grad(loss)(theirs, x)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(ours.norm.mean[...], theirs.norm.mean[...], rtol=1e-5)
    assert factors["layer"]["kernel"].x.shape == (8, 3)


class _Switched(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        x = ann.Dense(2, name="layer")(x)
        return nn.BatchNorm(use_running_average=not train)(x)


def test_taps_take_arguments_that_are_not_arrays_and_models_with_statistics():
    model, x = _Switched(), jnp.ones((4, 3))
    variables = model.init(jax.random.key(0), x, train=False)
    taps = ann.taps(model, variables, x, train=True)
    assert taps["layer"]["kernel"].d.shape == (4, 2)


class _Encoder(nn.Module):
    def setup(self):
        self.block = nn.jit(_Dropped)()

    def encode(self, x):
        return self.block(self.block(x))


class _Dropped(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dropout(0.5, deterministic=False)(ann.Dense(3, name="layer")(x))


def test_taps_take_a_method_and_keys_and_change_no_random_draw():
    model, x = _Encoder(), jax.random.normal(jax.random.key(0), (4, 3))
    rest = {"rngs": {"dropout": jax.random.key(1)}, "method": "encode"}
    variables = model.init({"params": jax.random.key(0), **rest["rngs"]}, x, method="encode")
    expected = model.apply(variables, x, **rest)
    for method in ("encode", _Encoder.encode, lambda model, x: model.block(model.block(x))):
        taps = ann.taps(model, variables, x, rngs=rest["rngs"], method=method)
        assert len(taps["block"]["layer"]["kernel"]) == 2
        np.testing.assert_array_equal(model.apply({**variables, "taps": taps}, x, **rest), expected)
