"""Weights on arrays: in parts, scaled, with learned scales and with the bias on the array."""

import dataclasses
import functools
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx
from layers import nonlinear

import analogjax
from analogjax.devices import Ideal, SoftBounds
from analogjax.nn import Analog, Mapping, labels
from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx
from analogjax.nn._mapping import parts_of
from analogjax.periphery import AnalogIO, mvm
from analogjax.pulses import ExpectedPulses
from analogjax.tiles import part_sizes, weight_scale

CASES = json.loads((Path(__file__).parents[1] / "data" / "mapping.json").read_text())
IO = AnalogIO(**CASES["split"]["io"], bound_management="none")
SMALL = {"max_input_size": 4, "max_output_size": 3}
EVERYTHING = Mapping(
    **SMALL,
    weight_scaling_omega=0.6,
    weight_scaling_columnwise=True,
    learn_out_scaling=True,
    out_scaling_columnwise=True,
    digital_bias=False,
)
SCALED = Mapping(**SMALL, weight_scaling_omega=0.5)
NOISY = AnalogIO(out_noise=0.5, out_res=-1, inp_res=-1, bound_management="none")
ROOT = jax.random.key(0)
BIAS = {"bias_init": nn.initializers.normal(1.0)}
# In linen and in nnx: kind and arguments of a layer; and the shape of its inputs.
LAYERS = {
    "dense": (("Dense", (7,), BIAS), ("Linear", (9, 7), BIAS), (2, 5, 9)),
    "general": (
        ("DenseGeneral", ((2, 3),), {**BIAS, "axis": (1, -1)}),
        ("LinearGeneral", ((3, 2), (2, 3)), {**BIAS, "axis": (1, -1)}),
        (2, 3, 4, 2),
    ),
    "conv": (("Conv", (5, (3, 2)), BIAS), ("Conv", (2, 5, (3, 2)), BIAS), (2, 5, 4, 2)),
    "groups": (
        ("Conv", (8, (3,)), {**BIAS, "feature_group_count": 2}),
        ("Conv", (4, 8, (3,)), {**BIAS, "feature_group_count": 2}),
        (2, 6, 4),
    ),
    "attention": (
        ("MultiHeadAttention", (2,), {}),
        ("MultiHeadAttention", (2, 6), {"decode": False}),
        (2, 4, 6),
    ),
}


def inputs(name):
    return jax.random.normal(jax.random.key(1), LAYERS[name][2])


def linen_layer(module, name, **arguments):
    kind, positional, own = LAYERS[name][0]
    return getattr(module, kind)(*positional, **own, **arguments)


def nnx_layer(module, name, **arguments):
    kind, positional, own = LAYERS[name][1]
    return getattr(module, kind)(*positional, **own, **arguments, rngs=nnx.Rngs(0))


def same(one, other, tolerance=2e-5):
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=tolerance)
    jax.tree.map(close, one, other)


def with_out_scales(params, value):
    """Parameters of mapped layers whose learned scales are all of one value."""

    def replace(path, leaf):
        return jnp.full_like(leaf, value) if "out_scale" in jax.tree_util.keystr(path) else leaf

    return jax.tree_util.tree_map_with_path(replace, params)


@pytest.mark.parametrize("case", CASES)
def test_values_errors_and_updates_are_the_recorded_ones(recorded, case):
    settings, arrays = recorded("mapping", case)
    mapping, bias = Mapping(**settings["mapping"]), "b" in arrays
    layer = ann.Dense(7, use_bias=bias, io=IO, io_backward=IO, mapping=mapping)
    own = {"kernel": arrays["w"].T, **({"bias": arrays["b"]} if bias else {})}
    flax = {"params": own}
    x = jnp.asarray(arrays["x"])
    variables = ann.from_flax(layer, flax, x)
    params = with_out_scales(variables["params"], settings["out_scale"])
    y, back = jax.vjp(lambda params, x: layer.apply({**variables, "params": params}, x), params, x)
    grads, dx = back(jnp.asarray(arrays["d"]))
    trained = jax.tree_util.tree_map_with_path(
        lambda path, p, g: p if "out_scale" in jax.tree_util.keystr(path) else p - 0.1 * g,
        params,
        grads,
    )
    after = ann.to_flax({**variables, "params": trained}, flax["params"])
    for ours, theirs in ((y, "y"), (dx, "dx")):
        # A value on the edge between two steps may be rounded to the other.
        assert (np.abs(ours - arrays[theirs]) > 1e-5).mean() < 0.02
    same(after["kernel"].T, arrays["w_after"])
    if bias:
        same(after["bias"], arrays["b_after"])

    plain = nnx.Linear(9, 7, use_bias=bias, rngs=nnx.Rngs(0))
    nnx.update(plain, own)
    twin = annx.convert(plain, [("kernel", Analog(io=IO, io_backward=IO, mapping=mapping))])
    for array in parts_of(mapping, (10 if bias and not mapping.digital_bias else 9, 7)):
        if mapping.learn_out_scaling:
            scale = getattr(twin, array.name).out_scale
            scale[...] = jnp.full_like(scale[...], settings["out_scale"])
    same(twin(x), y)


@pytest.mark.parametrize(
    "mapping",
    [pytest.param(SCALED, marks=pytest.mark.slow), EVERYTHING],
    ids=["scaled", "everything"],
)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_parts_are_those_of_flax(name, mapping):
    theirs, ours = linen_layer(nn, name), linen_layer(ann, name, mapping=mapping)
    x = inputs(name)

    @jax.jit
    def everything(x):
        flax, own = theirs.init(ROOT, x), ours.init(ROOT, x)
        taken = ann.from_flax(ours, flax, x)

        def loss(layer, variables):
            def run(params, x):
                return nonlinear(layer.apply({**variables, "params": params}, x))

            return jax.value_and_grad(run, (0, 1))(variables["params"], x)

        back = ann.to_flax(own, flax["params"])
        return own, taken, flax["params"], back, loss(ours, own), loss(theirs, flax)

    own, taken, params, back, (value, grads), (expected, their_grads) = everything(x)
    jax.tree.map(np.testing.assert_array_equal, own, taken)
    same(back, params)
    same(value, expected)
    same(grads[1], their_grads[1])
    # A step on the arrays is the step that flax's weights would make.
    flat = jax.tree_util.tree_map_with_path(
        lambda path, p, g: p if "out_scale" in jax.tree_util.keystr(path) else p - g,
        own["params"],
        grads[0],
    )
    moved = ann.to_flax({**own, "params": flat}, params)
    same(moved, jax.tree.map(jnp.subtract, params, their_grads[0]), 1e-4)

    plain, mapped = nnx_layer(nnx, name), nnx_layer(annx, name, mapping=mapping)
    same(mapped(x), plain(x))


def test_learned_scales_have_their_own_derivative():
    x = inputs("dense")
    layer = linen_layer(ann, "dense", mapping=EVERYTHING)
    variables = layer.init(ROOT, x)

    def loss(params):
        return nonlinear(layer.apply({**variables, "params": params}, x))

    params = with_out_scales(variables["params"], 1.25)
    analytic = jax.grad(loss)(params)["array_1_2"]["out_scale"]

    def along(step):
        array = {**params["array_1_2"], "out_scale": params["array_1_2"]["out_scale"] + step}
        return loss({**params, "array_1_2": array})

    np.testing.assert_allclose(analytic.sum(), (along(1e-2) - along(-1e-2)) / 2e-2, rtol=1e-2)


def test_each_part_has_converters_of_its_own():
    x, w = jax.random.normal(ROOT, (5, 9)), jax.random.normal(jax.random.key(1), (9, 7))
    mapping = Mapping(max_input_size=5, weight_scaling_omega=0.5)
    layer = ann.Dense(7, use_bias=False, io=IO, mapping=mapping)
    y = layer.apply(ann.from_flax(layer, {"params": {"kernel": w}}, x), x)
    total = 0
    for rows in (slice(0, 5), slice(5, 9)):
        scale = jnp.abs(w[rows]).max() / 0.5
        total += scale * mvm(None, x[:, rows], w[rows] / scale, IO)
    same(y, total)
    layer = layer.clone(io=NOISY)
    variables = layer.init(ROOT, x)
    quiet = jax.tree.map(jnp.zeros_like, variables["params"])
    arrays = {name: {**quiet, name: variables["params"][name]} for name in quiet}
    rngs = {"analog": jax.random.key(2)}
    many = jnp.ones((400, 9))
    noise = [
        layer.apply({**variables, "params": params}, many, rngs=rngs) for params in arrays.values()
    ]
    # The noise of both parts is in each of the two outputs: of 0.5 times its scale, independent.
    scales = np.array([float(variables["mapping"][name]["scale"]) for name in quiet])
    for one in noise:
        spread = np.asarray(one - one.mean(0)).std()
        np.testing.assert_allclose(spread, 0.5 * np.sqrt((scales**2).sum()), rtol=0.05)


@functools.partial(jax.jit, static_argnums=(0, 3))
def pulsed(model, variables, x, tx, state):
    """One step of a rule, with the factors."""

    def loss(params, taps):
        return nonlinear(model.apply({**variables, "params": params, "taps": taps}, x))

    taps = ann.taps(model, variables, x)
    grads, factors = jax.grad(loss, (0, 1))(variables["params"], taps)
    updates, state = tx.update(grads, state, variables["params"], factors=factors)
    return {**variables, "params": optax.apply_updates(variables["params"], updates)}, state


def test_a_rule_trains_every_part_and_the_step_is_that_of_the_weights():
    x = inputs("dense")
    theirs, ours = linen_layer(nn, "dense"), linen_layer(ann, "dense", mapping=SCALED)
    flax, variables = theirs.init(ROOT, x), ours.init(ROOT, x)
    rule = analogjax.analog_sgd(0.01, Ideal(), key=0, pulses=ExpectedPulses())
    tx = analogjax.by_path({"^kernel$": rule}, otherwise=optax.sgd(0.01))
    state = tx.init(variables["params"])
    arrays = state.inner_states["^kernel$"].inner_state.weights
    assert {name: stack.tiles[0].w.shape for name, stack in arrays.items()} == {
        f"array_{i}_{j}/kernel": (3, size) for i in range(3) for j, size in enumerate((3, 2, 2))
    }
    grads = jax.grad(lambda params: nonlinear(theirs.apply({"params": params}, x)))(flax["params"])
    expected = jax.tree.map(lambda p, g: p - 0.01 * g, flax["params"], grads)
    after, _ = pulsed(ours, variables, x, tx, state)
    same(ann.to_flax(after, flax["params"]), expected, 1e-4)
    marked = labels(variables["params"])
    assert set(marked["array_0_0"].values()) == {"analog"}
    assert marked["bias"] == "digital"


class Recurrent(nn.Module):
    """A cell under scan and remat, and a layer called twice."""

    mapping: Mapping | None = None

    @nn.compact
    def __call__(self, x):
        cell = nn.remat(ann.LSTMCell)(3, mapping=self.mapping)
        shared = ["params", "mapping"]
        x = nn.RNN(cell, variable_axes={"taps": 0}, variable_broadcast=shared)(x)
        layer = ann.Dense(3, mapping=self.mapping)
        return layer(jnp.tanh(layer(x)))


def test_under_scan_remat_vmap_and_half_precision():
    x = jax.random.normal(ROOT, (2, 4, 5))
    plain, mapped = Recurrent(), Recurrent(SCALED)
    flax = jax.jit(plain.init)(ROOT, x)
    variables = ann.from_flax(mapped, flax, x)
    assert "scale" in variables["mapping"]["CheckpointLSTMCell_0"]["hf"]["array_0_0"]
    same(jax.jit(mapped.apply)(variables, x), plain.apply(flax, x))
    same(ann.to_flax(variables, flax["params"]), flax["params"])
    taps = ann.taps(mapped, variables, x)
    assert len(taps["Dense_0"]["array_0_0"]["kernel"]) == 2
    assert taps["CheckpointLSTMCell_0"]["hi"]["array_0_0"]["kernel"].x.shape == (4, 2, 3)
    layer = linen_layer(ann, "dense", mapping=EVERYTHING)
    y, variables = layer.init_with_output(ROOT, inputs("dense"))
    batched = jax.vmap(lambda x: layer.apply(variables, x))(inputs("dense"))
    same(batched, y)
    half = layer.clone(dtype=jnp.bfloat16).apply(variables, inputs("dense"))
    assert half.dtype == jnp.bfloat16
    same(half.astype(jnp.float32), y, 0.1)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2, name="head")(nn.LayerNorm()(nn.Dense(7, name="body")(x)))


class NnxNet(nnx.Module):
    def __init__(self, rngs):
        self.body, self.head = nnx.Linear(9, 7, rngs=rngs), nnx.Linear(7, 2, rngs=rngs)

    def __call__(self, x):
        return self.head(self.body(x))


def test_a_converted_model_in_parts():
    mapping = dataclasses.replace(EVERYTHING, max_input_size=5, max_output_size=None)
    x, rules = inputs("dense"), [("body/kernel$", Analog(mapping=mapping))]
    model, flax = ann.convert(Net(), rules), Net().init(ROOT, x)
    variables = ann.from_flax(model, flax, x)
    jax.tree.map(np.testing.assert_array_equal, variables, model.init(ROOT, x))
    same(model.apply(variables, x), Net().apply(flax, x))
    device = SoftBounds.with_states(100)
    tx = analogjax.by_path(
        {rules[0][0]: analogjax.residual_learning(0.1, device, key=0, num_tiles=2)},
        otherwise=optax.sgd(0.1),
    )
    after, state = pulsed(model, variables, x, tx, tx.init(variables["params"]))
    stacks = state.inner_states[rules[0][0]].inner_state.weights
    assert len(stacks) == 2
    for name, stack in stacks.items():
        array = after["params"]["body"][name.split("/")[1]]
        np.testing.assert_array_equal(array["kernel"], analogjax.tiles.effective_weight(stack))

    net = NnxNet(nnx.Rngs(0))
    converted = annx.convert(net, [("body", Analog(mapping=EVERYTHING))])
    same(converted(x), net(x))
    _, (grads, factors) = annx.value_and_factors(lambda m: nonlinear(m(x)))(converted)
    assert factors["body"]["array_0_1"]["kernel"].d.shape == (2, 5, 2)
    assert grads["body"]["array_0_1"]["out_scale"].shape == (2,)


def test_near_equal_parts():
    assert part_sizes(1152, 512) == (384,) * 3
    for size in range(1, 40):
        for largest in range(1, 12):
            sizes = part_sizes(size, largest)
            assert sum(sizes) == size
            assert len(sizes) == -(-size // largest)
            assert max(sizes) - min(sizes) <= 1
            assert list(sizes) == sorted(sizes, reverse=True)
    assert part_sizes(1000, None) == (1000,)


def test_weights_of_zeros_are_not_scaled():
    w = jnp.array([[0.0, 2.0], [0.0, -1.0]])
    assert weight_scale(w, 0.5, columnwise=True).tolist() == [1.0, 4.0]
    assert weight_scale(0 * w, 0.5).item() == 1.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_input_size": 0}, "max_input_size must be a whole number from 1 on or None, got 0"),
        ({"max_output_size": 2.0}, "max_output_size must be a whole number from 1 on"),
        ({"weight_scaling_omega": -1.0}, "omega must be a finite number of at least 0, got -1.0"),
        ({"weight_scaling_columnwise": True}, "columnwise needs a weight_scaling_omega above 0"),
        ({"out_scaling_columnwise": True}, "columnwise needs learn_out_scaling=True"),
    ],
)
def test_impossible_mappings_are_refused(fields, message):
    mapping = Mapping(**fields)
    with pytest.raises(ValueError, match=message):
        ann.Dense(3, mapping=mapping).init(ROOT, jnp.ones((1, 2)))
    with pytest.raises(ValueError, match=message):
        annx.Linear(2, 3, mapping=mapping, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=message):
        ann.convert(Net(), [("kernel", Analog(mapping=mapping))])


def test_a_scale_that_is_not_passed_and_a_mapping_that_is_none():
    layer, x = ann.Dense(3, mapping=SCALED), jnp.ones((1, 2))
    params = {"params": layer.init(ROOT, x)["params"]}
    with pytest.raises(ValueError, match="'array_0_0' is missing: pass the collection 'mapping'"):
        layer.apply(params, x)
    with pytest.raises(TypeError, match="or None, got int"):
        ann.Dense(3, mapping=512).init(ROOT, x)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kernel": jnp.ones((2, 3))}, "have no 'bias', only ['kernel']"),
        ({"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3), "more": jnp.ones(1)}, "['more']"),
        ({"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}, "'kernel' of shape (4, 3)"),
    ],
)
def test_parameters_of_another_model_are_refused(params, message):
    layer = ann.Dense(3, mapping=EVERYTHING)
    with pytest.raises(ValueError, match=re.escape(message)):
        ann.from_flax(layer, {"params": params}, jnp.ones((1, 2)))
    variables = layer.init(ROOT, jnp.ones((1, 2)))
    with pytest.raises(ValueError, match="both must be of the same model"):
        ann.to_flax(variables, params)


def test_a_kernel_that_two_layers_share_is_not_taken_apart():
    net = NnxNet(nnx.Rngs(0))
    net.head.kernel = net.body.kernel
    with pytest.raises(ValueError, match="'body/kernel' and 'head/kernel' are one parameter"):
        annx.convert(net, [("kernel", Analog(mapping=SCALED))])
