"""Converting models by path patterns: what changes, what stays, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from analogjax.nn import Analog, Mapping
from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx
from analogjax.periphery import AnalogIO

ROOT = jax.random.key(0)
X = jax.random.normal(jax.random.key(1), (2, 3))
# Coarse, and without chance.
IO = AnalogIO(inp_res=14, out_res=62, out_noise=0.0, bound_management="none")
COARSE = Analog(io=IO)
FINER = Analog(io=AnalogIO(inp_res=30, out_noise=0.0, bound_management="none"))


class Coder(nn.Module):
    """Layers made in setup, and two methods."""

    def setup(self):
        self.encoder, self.decoder = nn.Dense(4), [nn.Dense(4), nn.Dense(3)]

    def encode(self, x):
        return jnp.tanh(self.encoder(x))

    def __call__(self, x):
        return self.decoder[1](self.decoder[0](self.encode(x)))


class Shared(nn.Module):
    """One model called twice, inside of another."""

    rules: tuple = ()

    @nn.compact
    def __call__(self, x):
        coder = ann.convert(Coder(), self.rules) if self.rules else Coder()
        return coder(coder(x))


def equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_parameters_are_those_of_the_model_and_only_matching_layers_change():
    model = ann.convert(Coder(), [("encoder/kernel", COARSE)])
    variables = Coder().init(ROOT, X)
    equal(model.init(ROOT, X), variables)
    params = variables["params"]
    encoded = ann.Dense(4, io=IO).apply({"params": params["encoder"]}, X)
    equal(model.apply(variables, X, method="encode"), jnp.tanh(encoded))
    equal(model.bind(variables).encode(X), jnp.tanh(encoded))
    rest = nn.Sequential([nn.Dense(4), nn.Dense(3)])
    layers = {f"layers_{n}": params[f"decoder_{n}"] for n in range(2)}
    equal(model.apply(variables, X), rest.apply({"params": layers}, jnp.tanh(encoded)))
    assert set(ann.taps(model, variables, X)) == {"encoder"}
    assert set(ann.taps(model, variables, X, method="encode")) == {"encoder"}


def test_a_converted_model_inside_another_and_called_twice():
    # The paths are those inside of the converted model.
    model = Shared((("^encoder/kernel", COARSE), ("^decoder_1/kernel", FINER)))
    variables = model.init(ROOT, X)
    inner = variables["params"]["Converted_0"]
    assert set(inner) == {"encoder", "decoder_0", "decoder_1"}
    coder = ann.convert(Coder(), model.rules)
    equal(model.apply(variables, X), coder.apply({"params": inner},
                                                 coder.apply({"params": inner}, X)))  # fmt: skip
    taps = ann.taps(model, variables, X)["Converted_0"]
    assert [len(taps[name]["kernel"]) for name in ("encoder", "decoder_1")] == [2, 2]


def test_the_first_pattern_counts():
    rules = [("encoder", FINER), ("kernel", COARSE)]
    model, other = ann.convert(Coder(), rules), ann.convert(Coder(), rules[1:])
    variables = Coder().init(ROOT, X)
    encoder = {"params": variables["params"]["encoder"]}
    finer = jnp.tanh(ann.Dense(4, io=FINER.io).apply(encoder, X))
    equal(model.apply(variables, X, method="encode"), finer)
    assert (other.apply(variables, X, method="encode") != finer).any()


class Loop(nn.Module):
    """Steps of a scan, rematerialised, and a layer that flax compiles by itself."""

    @nn.compact
    def __call__(self, x):
        scanned = nn.scan(
            nn.remat(Step),
            variable_broadcast="params",
            variable_axes={"taps": 0},
            split_rngs={"params": False, "analog": True},
            length=3,
        )
        return _JIT_DENSE(2, name="last")(scanned(name="loop")(x, None)[0])


class Step(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        return jnp.tanh(nn.Dense(3, name="dense")(x)), None


_JIT_DENSE = nn.jit(nn.Dense)


def test_layers_under_scan_remat_and_jit():
    variables = Loop().init(ROOT, X)
    plain = Loop().apply(variables, X)
    coarse, finer = (
        ann.convert(Loop(), [("last/kernel", analog)]).apply(variables, X)
        for analog in (COARSE, FINER)
    )
    equal(Loop().apply(variables, X), plain)
    assert (coarse != plain).any()
    assert (finer != coarse).any()
    noisy = ann.convert(Loop(), [("loop/dense/kernel", Analog(io=AnalogIO()))])
    first, again, other = (
        noisy.apply(variables, X, rngs={"analog": jax.random.key(n)}) for n in (1, 1, 2)
    )
    equal(first, again)
    assert (first != other).any()
    taps = ann.taps(noisy, variables, X)
    assert taps["loop"]["dense"]["kernel"].x.shape == (3, 2, 3)


class Odd(nn.Module):
    """A layer of a kind that no array computes."""

    layer: nn.Module

    @nn.compact
    def __call__(self, x):
        return self.layer(x[None])


LSTM = nn.RNN(nn.OptimizedLSTMCell(2))


@pytest.mark.parametrize(
    ("model", "rules", "message"),
    [
        (Coder(), [("nothing", COARSE)],
         r"'nothing' matches none of the kernels \['decoder_0/kernel', 'decoder_1"),
        (Coder(), [(".", COARSE), ("encoder", COARSE)], "'encoder' matches none .* before it have"),
        (Odd(nn.ConvTranspose(2, (2,))), [("layer", COARSE)],
         "'layer' matches 'layer/kernel' of a ConvTranspose, which cannot be made analog"),
        (Odd(nn.ConvLocal(2, (2,))), [("layer", COARSE)], "of a ConvLocal, which"),
        (Odd(LSTM), [("cell", COARSE)], "'layer/cell/ii/kernel' of a DenseParams, which"),
        (Odd(ann.Dense(2)), [("layer", COARSE)], "of a Dense, which"),
        (Odd(nn.Conv(2, (2,), input_dilation=2)), [("layer", COARSE)], "input_dilation=2"),
        (Odd(nn.DenseGeneral(2, batch_dims=0)), [("layer", COARSE)], "batch_dims=0"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused(model, rules, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(ann.convert(model, rules).init, ROOT, X)


class Net(nnx.Module):
    """Layers in a list, one of them used twice, and attention."""

    def __init__(self, rngs):
        shared = nnx.Linear(4, 4, rngs=rngs)
        self.layers = nnx.List([nnx.Linear(3, 4, rngs=rngs), shared, shared])
        self.attention = nnx.MultiHeadAttention(2, 4, decode=False, rngs=rngs)
        self.up = nnx.ConvTranspose(4, 4, (2,), rngs=rngs)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.attention(x)


def test_an_nnx_model_is_copied_and_its_layers_stay_shared():
    model = Net(nnx.Rngs(0))
    before = model(X)
    made = annx.convert(model, [("layers/1|attention", COARSE)])
    assert type(made.layers[0]) is nnx.Linear
    assert type(made.layers[1]) is annx.Linear
    assert made.layers[1] is made.layers[2]
    assert made.attention.query.kernel.shape == (4, 4)
    assert (made(X) != before).any()
    equal(model(X), before)
    assert model.attention.query.kernel.shape == (4, 2, 2)
    _, (_, factors) = annx.value_and_factors(lambda m: m(X).sum())(made)
    assert len(factors["layers"]["1"]["kernel"]) == 2
    exact = annx.convert(model, [("layers/1|attention", Analog())])
    np.testing.assert_allclose(exact(X), before, rtol=1e-5, atol=1e-6)


def test_noise_of_a_converted_nnx_cell_is_drawn_step_by_step():
    rnn = nnx.RNN(nnx.SimpleCell(3, 4, rngs=nnx.Rngs(0)))
    rnn = annx.convert(rnn, [("dense_i", Analog(io=AnalogIO()))], rngs=nnx.Rngs(analog=0))
    first, second = (rnn(jnp.ones((1, 2, 3))) for _ in range(2))
    assert (first != second).any()


@pytest.mark.parametrize(
    ("pattern", "analog", "message"),
    [
        ("nothing", COARSE, r"'nothing' matches none of the kernels \['attention/key/kernel'"),
        ("up", COARSE, "'up/kernel' of a ConvTranspose, which cannot be made analog"),
        ("layers", Analog(io=AnalogIO()), "need random numbers: give rngs"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_nnx(pattern, analog, message):
    with pytest.raises(ValueError, match=message):
        annx.convert(Net(nnx.Rngs(0)), [(pattern, analog)])


class Sharing(nn.Module):
    """A module that holds the kernel of its layer."""

    @nn.compact
    def __call__(self, x):
        layer = nn.Dense(3)
        nn.share_scope(self, layer)
        return layer(x)


def test_a_layer_whose_scope_is_shared_is_converted():
    model = ann.convert(Sharing(), [("^kernel$", Analog())])
    variables = model.init(ROOT, X)
    assert variables["params"]["kernel"].shape == (X.shape[-1], 3)
    assert set(ann.taps(model, variables, X)) == {"kernel"}


def test_named_axes_of_a_kernel_that_is_cut_are_refused():
    init = nn.with_partitioning(nn.initializers.ones, ("in", "out"))
    ann.Dense(3, kernel_init=init).init(ROOT, X)
    with pytest.raises(ValueError, match=r"'kernel' names axes .* leave the names out"):
        ann.Dense(3, kernel_init=init, mapping=Mapping()).init(ROOT, X)


@pytest.mark.parametrize("convert", [ann.convert, annx.convert])
@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        ([("kernel", Analog(io=True))], TypeError, "io must be an AnalogIO or None, got bool"),
        (["kernel"], TypeError, r"pairs \(pattern, Analog\(...\)\), got 'kernel'"),
        ([("kernel", IO)], TypeError, r"need an analogjax.nn.Analog, got AnalogIO: write Analog"),
        ([("(", COARSE)], ValueError, r"'\(' is no regular expression: missing \)"),
        ([("kernel", Analog(io=AnalogIO(noise_management="average_abs_max")))], ValueError,
         "no running mean"),
    ],
)  # fmt: skip
def test_rules_are_checked(convert, rules, error, message):
    with pytest.raises(error, match=message):
        convert(None, rules)


@pytest.mark.parametrize(
    ("convert", "model"),
    [(ann.convert, nn.Dense), (annx.convert, nn.Dense(2)), (annx.convert, nnx.Linear)],
)
def test_what_is_no_model_of_the_kind_is_named(convert, model):
    with pytest.raises(TypeError, match=r"model must be a.* module, .* got (Dense|Linear);"):
        convert(model, [("kernel", COARSE)])
