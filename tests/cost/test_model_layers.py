"""The layers of flax models: found while tracing, with what a sample sends to each."""

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import linen as nn
from flax import nnx

import analogjax
from analogjax.cost import Layer, counters_of, layers_of, layers_of_nnx, layers_of_params
from analogjax.devices import SoftBounds
from analogjax.nn import Mapping, labels
from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx
from analogjax.periphery import AnalogIO

IMAGES = jax.ShapeDtypeStruct((3, 6, 6, 4), jnp.float32)


class Net(nn.Module):
    """A digital stem, groups, a norm, a layer used twice, and arrays of limited size."""

    stem: bool = True

    @nn.compact
    def __call__(self, x, train=False):
        if self.stem:
            x = nn.Conv(4, (1, 1), name="stem")(x)
        io = AnalogIO()
        x = ann.Conv(8, (3, 3), padding="VALID", feature_group_count=2, io=io, name="conv")(x)
        x = nn.BatchNorm(not train)(x).mean((1, 2))
        twice = ann.Dense(8, name="twice")
        x = twice(nn.tanh(twice(x)))
        mapping = Mapping(max_input_size=5, max_output_size=2)
        return ann.Dense(3, mapping=mapping, name="split")(nn.Dropout(0.5)(x, not train))


@pytest.mark.parametrize("stem", [True, False])
def test_every_array_of_a_linen_model_is_found_with_its_vectors(stem):
    found = {layer.name: layer for layer in layers_of(Net(stem), IMAGES, train=True)}
    assert found.pop("conv/kernel") == Layer(
        name="conv/kernel", inputs=18, outputs=4, vectors=16, groups=2, backward=stem
    )
    twice = Layer(name="twice/kernel", inputs=8, outputs=8, vectors=2)
    assert found.pop("twice/kernel") == twice
    split = [(layer.inputs, layer.outputs, layer.vectors) for layer in found.values()]
    assert split == [(4, 2, 1), (4, 1, 1), (4, 2, 1), (4, 1, 1)]
    assert set(found) == {f"split/array_{i}_{j}/kernel" for i in (0, 1) for j in (0, 1)}


def test_layers_have_the_names_of_the_counters():
    model, x = ann.Dense(2, mapping=Mapping(max_input_size=2)), jnp.ones((1, 4))
    params = model.init(jax.random.key(0), x)["params"]
    rule = analogjax.analog_sgd(0.1, SoftBounds(), key=0)
    state = optax.partition({"analog": rule, "digital": optax.sgd(0.1)}, labels).init(params)
    assert {layer.name for layer in layers_of(model, x)} == set(counters_of(state))


class Mlp(nnx.Module):
    def __init__(self, rngs):
        self.first = annx.Linear(6, 5, rngs=rngs, io=AnalogIO())
        self.second = annx.Linear(5, 2, rngs=rngs)

    def __call__(self, x):
        return self.second(jnp.tanh(self.first(x)))


def test_an_nnx_model_has_the_layers_of_the_linen_one():
    class Same(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = ann.Dense(5, name="first")(x)
            return ann.Dense(2, name="second")(jnp.tanh(x))

    model, x = Mlp(nnx.Rngs(0)), jax.ShapeDtypeStruct((7, 6), jnp.float32)
    found = layers_of_nnx(model, x)
    assert found == layers_of(Same(), x)
    assert [layer.backward for layer in found] == [False, True]
    shapes = layers_of_params(nnx.state(model, nnx.Param))
    assert [(layer.name, layer.inputs, layer.outputs) for layer in shapes] == [
        ("first/kernel", 6, 5),
        ("second/kernel", 5, 2),
    ]


def test_a_model_without_analog_layers_is_told_how_to_become_one():
    x = jnp.ones((1, 4))
    with pytest.raises(ValueError, match=r"'kernel' was sent \(4,\).* such as \(1, 4\)"):
        layers_of(ann.Dense(3), jnp.ones(4))
    with pytest.raises(ValueError, match=r"no whole number of .* such as \(1, 6, 6, 4\)"):
        layers_of(ann.Conv(2, (4, 4), padding="VALID"), jnp.ones((6, 6, 4)))
    with pytest.raises(ValueError, match="No layer is analog: make the model of"):
        layers_of(nn.Dense(3), x)
    with pytest.raises(ValueError, match="No layer is analog"):
        layers_of_nnx(nnx.Linear(4, 3, rngs=nnx.Rngs(0)), x)
    with pytest.raises(ValueError, match="No parameter is analog"):
        layers_of_params({"bias": jnp.ones(3)})
