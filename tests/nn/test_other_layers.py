"""Layers over several axes, cells and attention, beside flax's own, in linen and in nnx."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx
from layers import nonlinear, outer_sum

from analogjax.nn import Factors
from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx
from analogjax.periphery import AnalogIO

PERFECT = {"io": AnalogIO.perfect(), "io_backward": AnalogIO.perfect()}
# Coarse, and without chance.
COARSE = {"io": AnalogIO(inp_res=14, out_res=62, out_noise=0.0, bound_management="none")}
NOISY = {"io": AnalogIO(out_res=-1, bound_management="none")}
ROOT = jax.random.key(0)

AXES = {"axis": (1, -1)}
HEADS = {"num_heads": 2, "qkv_features": 4, "out_features": 5}
# In linen and in nnx: kind and arguments of a layer; and the shape of its inputs.
LAYERS = {
    "to_heads": (("DenseGeneral", ((2, 3),), {}), ("LinearGeneral", (4, (2, 3)), {}), (2, 3, 4)),
    "two_axes_no_bias": (
        ("DenseGeneral", (5,), {**AXES, "use_bias": False}),
        ("LinearGeneral", ((3, 2), 5), {**AXES, "use_bias": False}),
        (2, 3, 4, 2),
    ),
    "axes_in_no_order": (
        ("DenseGeneral", (5,), {"axis": (-1, -2)}),
        ("LinearGeneral", ((3, 3), 5), {"axis": (-1, -2)}),
        (2, 3, 3),
    ),
    "conv_3d": (("Conv", (3, (2, 1, 2)), {}), ("Conv", (2, 3, (2, 1, 2)), {}), (1, 3, 2, 3, 2)),
    "conv_of_sequences_of_images": (
        ("Conv", (3, (2, 2)), {"feature_group_count": 1}),
        ("Conv", (2, 3, (2, 2)), {}),
        (2, 2, 3, 3, 2),
    ),
    "attention": (
        ("MultiHeadDotProductAttention", (), HEADS),
        ("MultiHeadAttention", (), {**HEADS, "in_features": 3, "decode": False}),
        (2, 4, 3),
    ),
    "simple_cell": (("SimpleCell", (4,), {}), ("SimpleCell", (3, 4), {}), (2, 3, 3)),
    "lstm_cell": (("LSTMCell", (4,), {}), ("LSTMCell", (3, 4), {}), (2, 3, 3)),
    "gru_cell": (("GRUCell", (4,), {}), ("GRUCell", (3, 4), {}), (2, 3, 3)),
}
# What linen's parts are called in nnx; its gates of a GRU are one layer each there.
RENAMED = {"i": "dense_i", "h": "dense_h", "if": "if_"}


def inputs(name):
    return jax.random.normal(jax.random.key(1), LAYERS[name][2])


def linen_layer(module, name, **io):
    kind, arguments, keywords = LAYERS[name][0]
    layer = getattr(module, kind)(*arguments, **keywords, **io)
    if "cell" not in name:
        return layer
    rngs = {"params": False, "analog": True}
    return nn.RNN(layer, variable_axes={"taps": 0}, split_rngs=rngs)


def nnx_layer(module, name, rngs=None, **io):
    kind, arguments, keywords = LAYERS[name][1]
    return getattr(module, kind)(*arguments, **keywords, **io, rngs=rngs or nnx.Rngs(0))


def call(name, layer, x):
    """An nnx layer of inputs; a cell step by step."""
    if "cell" not in name:
        return layer(x)
    carry, outputs = layer.initialize_carry(x[:, 0].shape, nnx.Rngs(0)), []
    for t in range(x.shape[1]):
        carry, y = layer(carry, x[:, t])
        outputs.append(y)
    return jnp.stack(outputs, axis=1)


def kernels(factors, grads, path=()):
    """Every kernel of gradients with the factors at its path."""
    if isinstance(factors, Factors | tuple):
        yield path, factors, grads
        return
    for key in factors:
        yield from kernels(factors[key], grads[key], (*path, key))


def check_factors(factors, grads):
    found = list(kernels(factors, grads))
    assert found
    for _, pairs, gradient in found:
        pairs = [pairs] if isinstance(pairs, Factors) else pairs
        close(sum(outer_sum(pair, gradient.shape) for pair in pairs), gradient)
    return {path for path, _, _ in found}


def close(a, b, atol=2e-5):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol)


def same(one, other):
    jax.tree.map(close, one, other)


@pytest.mark.parametrize("name", LAYERS)
def test_linen_layers_are_those_of_flax(name):
    theirs, ours = linen_layer(nn, name), linen_layer(ann, name)
    perfect, x = linen_layer(ann, name, **PERFECT), inputs(name)

    @jax.jit
    def everything(x):
        params, own = (layer.init(ROOT, x)["params"] for layer in (theirs, ours))
        converted = ann.from_flax(ours, {"params": params}, x)["params"]

        def loss(layer):
            def run(params, x, taps):
                y = layer.apply({"params": params, "taps": taps}, x)
                return nonlinear(y), y

            return jax.value_and_grad(run, (0, 1, 2), has_aux=True)

        flax = loss(theirs)(params, x, {})
        flax_grads = ann.from_flax(ours, {"params": flax[1][0]}, x)["params"]
        taps = ann.taps(ours, {"params": own}, x)
        return (
            (own, converted),
            (flax[0], flax_grads, flax[1][1]),
            loss(ours)(own, x, taps),
            loss(perfect)(own, x, {}),
        )

    (own, converted), (value, grads, back), made, perfectly = everything(x)
    jax.tree.map(np.testing.assert_array_equal, own, converted)
    same(made[0], value)
    same(made[1][:2], (grads, back))
    same(perfectly[0], value)
    same(perfectly[1][:2], (grads, back))
    paths = check_factors(made[1][2], made[1][0])
    assert len(paths) == sum("kernel" in jax.tree_util.keystr(p) for p, _ in
                             jax.tree_util.tree_leaves_with_path(own))  # fmt: skip
    assert all(leaf.ndim == 2 for path, leaf in jax.tree_util.tree_leaves_with_path(own)
               if "kernel" in jax.tree_util.keystr(path) and "conv" not in name)  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_nnx_layers_are_those_of_flax_and_of_linen(name):
    theirs, ours = nnx_layer(nnx, name), nnx_layer(annx, name)
    coarse, linen = nnx_layer(annx, name, **COARSE), linen_layer(ann, name, **COARSE)
    x = inputs(name)

    def loss(model, x):
        y = call(name, model, x)
        return nonlinear(y), y

    @nnx.jit
    def everything(theirs, ours, coarse, x):
        flax = nnx.value_and_grad(loss, has_aux=True)(theirs, x)
        made = annx.value_and_factors(loss, has_aux=True)(ours, x)
        return flax, made, call(name, coarse, x)

    flax, (values, (grads, factors)), y = everything(theirs, ours, coarse, x)
    same(values, flax[0])
    shapes = jax.tree.map(jnp.shape, nnx.to_pure_dict(grads))
    flax_grads = nnx.to_pure_dict(flax[1])
    reshaped = jax.tree.map(
        lambda g, s: g.reshape(s), flax_grads, shapes, is_leaf=lambda n: hasattr(n, "shape")
    )
    same(nnx.to_pure_dict(grads), reshaped)
    check_factors(factors, nnx.to_pure_dict(grads))
    assert jnp.abs(y - values[1]).max() > 1e-3
    if name != "gru_cell":
        params = as_linen(nnx.to_pure_dict(nnx.state(ours, nnx.Param)), name)
        same(jax.jit(linen.apply)({"params": params}, x), y)


def as_linen(params, name):
    """Parameters of an nnx layer for the linen one."""
    if "cell" not in name:
        return params
    back = {theirs: ours for ours, theirs in RENAMED.items()}
    return {"cell": {back.get(part, part): node for part, node in params.items()}}


@pytest.mark.parametrize("name", ["two_axes_no_bias", "attention"])
def test_noise_is_of_each_part_call_and_key(name):
    x, layer = inputs(name), linen_layer(ann, name, **NOISY)
    variables = jax.jit(layer.init)(ROOT, x)
    apply = jax.jit(lambda key: layer.apply(variables, x, rngs={"analog": key}))
    first, again, other = (apply(jax.random.key(k)) for k in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()

    model, twin = (nnx_layer(annx, name, nnx.Rngs(0, analog=1), **NOISY) for _ in range(2))
    run = nnx.jit(lambda model: call(name, model, x))
    calls = [run(model) for _ in range(2)]
    np.testing.assert_array_equal(calls[0], run(twin))
    assert (calls[0] != calls[1]).all()


def test_steps_of_a_cell_have_noise_of_their_own():
    layer = linen_layer(ann, "simple_cell", io=AnalogIO(inp_noise=0.1, inp_res=-1))
    variables = layer.init(ROOT, jnp.ones((1, 3, 3)))
    variables["params"]["cell"]["h"] = jax.tree.map(
        jnp.zeros_like, variables["params"]["cell"]["h"]
    )
    y = jax.jit(layer.apply)(variables, jnp.ones((1, 3, 3)), rngs={"analog": ROOT})
    assert (y[0, 0] != y[0, 1]).all()


def test_half_precision_remat_and_vmap():
    layer = nn.remat(ann.MultiHeadAttention)(2, dtype=jnp.bfloat16, **NOISY)
    x = jax.random.normal(ROOT, (3, 2, 4, 6), jnp.bfloat16)
    variables = jax.jit(layer.init)(ROOT, x[0])

    @jax.jit
    @jax.vmap
    def grads(x, key):
        def loss(variables, taps):
            return layer.apply({**variables, "taps": taps}, x, rngs={"analog": key}).sum()

        return jax.grad(loss, (0, 1))(variables, ann.taps(layer, variables, x))

    gradient, factors = grads(x, jax.random.split(ROOT, 3))
    kernel = factors["query"]["kernel"]
    assert (kernel.x.shape, kernel.x.dtype) == ((3, 2, 4, 6), jnp.bfloat16)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((gradient, factors)))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (ann.Dense(2, dot_general=jax.lax.dot_general), "Dense has dot_general"),
        (ann.DenseGeneral(2, batch_dims=(0,)), r"batch_dims=\(0,\)"),
        (ann.Conv(2, (2,), mask=jnp.ones((2, 3, 2))), r"mask=an array \(2, 3, 2\)"),
        (ann.Conv(2, (2,), input_dilation=(2,)), r"input_dilation=\(2,\), which no crossbar"),
        (ann.Dense(2, io=AnalogIO(noise_management="average_abs_max")), "no running mean"),
        (ann.Dense(2, io=AnalogIO(inp_res=0.7)), "inp_res"),
    ],
)
def test_what_no_crossbar_does_is_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        layer.init(ROOT, jnp.ones((2, 4, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda r: annx.Linear(2, 2, dot_general=jnp.dot, rngs=r), "Linear has dot_general"),
        (lambda r: annx.LinearGeneral(2, 2, batch_axis={0: 3}, rngs=r), "batch_axis"),
        (lambda r: annx.Linear(2, 2, rngs=r)(jnp.ones((1, 2)), jax.P()), "out_sharding"),
    ],
)
def test_what_no_crossbar_does_is_refused_in_nnx(make, message):
    with pytest.raises(ValueError, match=message):
        make(nnx.Rngs(0))
