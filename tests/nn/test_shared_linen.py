"""Linen layers used several times: by loops, by the steps of a scan, under remat, jit and vmap."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import linen as nn
from layers import check_calls, close, nonlinear, outer_sum

import analogjax
from analogjax.devices import Ideal
from analogjax.nn import Factors, labels
from analogjax.nn import linen as ann

RATE, STEPS, BATCH, WIDTH = 0.3, 5, 4, 3
XS = jax.random.normal(jax.random.key(1), (STEPS, BATCH, WIDTH))
SHARED = {"variable_axes": {"params": None, "taps": 0}, "split_rngs": {"params": False}}


class Cell(nn.RNNCellBase):
    """A recurrent kernel that is used ``uses`` times in a step, and an input kernel."""

    uses: int = 1

    @nn.compact
    def __call__(self, carry, x):
        recurrent = ann.Dense(WIDTH, use_bias=False, name="recurrent")
        x = ann.Dense(WIDTH, name="input")(x)
        for _ in range(self.uses):
            carry = nn.tanh(recurrent(carry) + x)
        return carry, carry

    @staticmethod
    def initialize_carry(rng, input_shape):
        return jnp.ones(input_shape)

    num_feature_axes = 1


class Unrolled(nn.Module):
    """A cell called by a Python loop over the steps."""

    lift: object = staticmethod(lambda module: module)

    @nn.compact
    def __call__(self, xs):
        cell, carry = self.lift(Cell)(name="cell"), jnp.ones_like(xs[0])
        for x in xs:
            carry, _ = cell(carry, x)
        return carry


class Siamese(nn.Module):
    """A block made in ``setup`` that is called for two inputs."""

    def setup(self):
        self.tower = nn.Sequential([ann.Dense(WIDTH), nn.tanh, ann.Conv(2, (2,))])

    def __call__(self, xs):
        return self.tower(xs[:2]) * self.tower(xs[2:4])


class Scanned(nn.Module):
    """A cell stepped by ``nn.scan``."""

    uses: int = 1
    lift: object = staticmethod(lambda module: module)
    variable_axes: tuple = (("taps", 0),)
    variable_broadcast: tuple = ("params",)
    calls: int = 1

    @nn.compact
    def __call__(self, xs):
        cell = nn.scan(
            self.lift(Cell),
            variable_axes=dict(self.variable_axes),
            variable_broadcast=self.variable_broadcast,
            split_rngs={"params": False},
        )(self.uses, name="cell")
        carry = jnp.ones_like(xs[0])
        for _ in range(self.calls):
            carry, ys = cell(carry, xs)
        return ys


class Mapped(nn.Module):
    """A layer that ``nn.vmap`` shares between the slices of its inputs."""

    axes: tuple = (("params", None), ("taps", 0))
    calls: int = 2

    @nn.compact
    def __call__(self, xs):
        layer = nn.vmap(ann.Dense, variable_axes=dict(self.axes), split_rngs={"params": False})(
            WIDTH, name="cell"
        )
        for _ in range(self.calls):
            xs = nn.tanh(layer(xs))
        return xs


ONCE, STEP_EACH = (BATCH, WIDTH), (STEPS, BATCH, WIDTH)
# The model, the path of one of its kernels, and the shape of x in each call.
MODELS = {
    "loop": (Unrolled(), "cell/recurrent", [ONCE] * STEPS),
    "loop_of_remat": (Unrolled(nn.remat), "cell/recurrent", [ONCE] * STEPS),
    "loop_of_jit": (Unrolled(nn.jit), "cell/input", [ONCE] * STEPS),
    "setup": (Siamese(), "tower/layers_0", [(2, BATCH, WIDTH)] * 2),
    "scan": (Scanned(), "cell/recurrent", [STEP_EACH]),
    "remat_of_scan_of_remat_of_two_uses": (
        nn.remat(Scanned)(2, nn.remat),
        "cell/recurrent",
        [STEP_EACH] * 2,
    ),
    "rnn": (
        nn.RNN(Cell(), variable_axes={"taps": 0}, time_major=True),
        "cell/recurrent",
        [STEP_EACH],
    ),
    "vmap": (Mapped(), "cell", [STEP_EACH] * 2),
}


@pytest.mark.parametrize("name", MODELS)
def test_factors_sum_to_the_gradient_of_flax_and_move_kernels_as_plain_sgd(name):
    model, path, shapes = MODELS[name]
    params = jax.jit(model.init)(jax.random.key(0), XS)["params"]
    rule = analogjax.analog_sgd(RATE, Ideal(), key=0)
    tx = optax.partition({"analog": rule, "digital": optax.sgd(RATE)}, labels)

    @jax.jit
    def step(params):
        def loss(params, taps):
            return nonlinear(model.apply({"params": params, **taps}, XS))

        taps = {"taps": ann.taps(model, {"params": params}, XS)}
        grads, factors = jax.grad(loss, argnums=(0, 1))(params, taps)
        updates, _ = tx.update(grads, tx.init(params), params, factors=factors["taps"])
        return jax.grad(loss)(params, {}), grads, factors["taps"], updates

    expected, grads, factors, updates = step(params)
    jax.tree.map(close, grads, expected)
    jax.tree.map(lambda update, gradient: close(update, -RATE * gradient), updates, expected)
    check_calls(factors, expected, path, shapes)


def test_a_model_may_be_vmapped_and_rematerialized_as_a_whole():
    model, xs = Unrolled(), jnp.stack([XS, 2 * XS])

    @jax.jit
    def both(params):
        def factors(x):
            @jax.checkpoint
            def loss(taps):
                return nonlinear(model.apply({"params": params, "taps": taps}, x))

            return jax.grad(loss)(ann.taps(model, {"params": params}, x))

        def flax_loss(params):
            return nonlinear(jax.vmap(lambda x: model.apply({"params": params}, x))(xs))

        return jax.vmap(factors)(xs), jax.grad(flax_loss)(params)

    factors, expected = both(jax.jit(model.init)(jax.random.key(0), XS)["params"])
    calls, expected = (tree["cell"]["recurrent"]["kernel"] for tree in (factors, expected))
    assert [pair.d.shape for pair in calls] == [(2, *ONCE)] * STEPS
    close(outer_sum(calls, expected.shape), expected)


SHARING = {
    "scan_without_axes": Scanned(variable_axes=()),
    "scan_of_broadcast_taps": Scanned(variable_axes=(), variable_broadcast=("params", "taps")),
    "scan_called_twice": Scanned(calls=2),
    "rnn_without_axes": nn.RNN(Cell()),
    "vmap_of_broadcast_taps": Mapped(axes=(("params", None), ("taps", None))),
}


@pytest.mark.parametrize("name", SHARING)
def test_steps_that_would_share_a_tap_are_refused_with_what_to_write(name):
    model = SHARING[name]
    variables = jax.eval_shape(model.init, jax.random.key(0), XS)
    with pytest.raises(ValueError, match=r"give nn\.scan.* variable_axes={'taps': 0}"):
        ann.taps(model, variables, XS)


class OfJax(nn.Module):
    """A layer in a transformation of JAX rather than of flax."""

    transformed: Callable

    def setup(self):
        self.layer = ann.Dense(WIDTH)

    def __call__(self, x):
        return self.transformed(lambda x: self.layer(x), x)


def of_jax(transformed):
    model = OfJax(transformed)
    return model, OfJax(lambda f, x: f(x)).init(jax.random.key(0), XS[0])


@pytest.mark.parametrize(
    "transformed",
    [
        lambda f, x: jax.vmap(f)(x),
        lambda f, x: jax.lax.map(f, x),
        lambda f, x: jax.lax.scan(lambda x, _: (f(x), None), x, length=2)[0],
        lambda f, x: jax.checkpoint(lambda x: jax.lax.fori_loop(0, 2, lambda _, x: f(x), x))(x),
        lambda f, x: jax.jit(jax.vmap(f))(x),
    ],
)
def test_layers_in_loops_of_jax_within_a_module_are_refused(transformed):
    model, variables = of_jax(transformed)
    with pytest.raises(ValueError, match=r"'layer' is called in jax\.vmap, jax\.lax\.scan"):
        ann.taps(model, variables, XS[0])


@pytest.mark.parametrize(
    "transformed",
    [
        lambda f, x: jax.checkpoint(f)(x),
        lambda f, x: jax.lax.cond(x[0, 0] < 9.0, f, lambda x: x, x),
    ],
)
def test_transformations_of_jax_that_run_a_layer_once_are_taken(transformed):
    model, variables = of_jax(transformed)

    def loss(variables):
        return nonlinear(model.apply(variables, XS[0]))

    taps = ann.taps(model, variables, XS[0])
    grads = jax.grad(loss)({**variables, "taps": taps})
    check_calls(grads["taps"], grads["params"], "layer", [ONCE])


def test_taps_that_a_vmap_of_the_loss_would_share_are_refused():
    model, x = ann.Dense(WIDTH), XS[0]
    variables = model.init(jax.random.key(0), x[0])

    def loss(taps, x):
        return nonlinear(model.apply({**variables, "taps": taps}, x))

    one = ann.taps(model, variables, x[0])
    each = jax.vmap(lambda x: ann.taps(model, variables, x))(x)
    shared = jax.jit(jax.grad(lambda taps: jax.vmap(loss, (None, 0))(taps, x).sum()))
    with pytest.raises(ValueError, match=r"jax\.vmap maps the inputs of a layer but not its tap"):
        shared(one)
    own = jax.grad(lambda taps: jax.vmap(loss)(taps, x).sum())(each)
    of_samples = jax.vmap(jax.grad(loss), (None, 0))(one, x)
    jax.tree.map(close, own, of_samples)
    jax.tree.map(close, own, jax.grad(loss)(ann.taps(model, variables, x), x))


def test_an_error_of_the_model_itself_is_passed_on():
    model = Scanned()
    variables = jax.eval_shape(model.init, jax.random.key(0), XS)
    with pytest.raises(Exception, match=r"shape|Shape") as raised:
        ann.taps(model, variables, XS[..., :2])
    assert "taps" not in str(raised.value)


def test_layers_stacked_in_one_parameter_are_told_to_be_unrolled():
    model = Scanned(variable_axes=(("params", 0), ("taps", 0)), variable_broadcast=())
    params = jax.eval_shape(model.init, jax.random.key(0), XS)["params"]
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), params)
    params = {"cell": {"recurrent": params["cell"]["recurrent"]}}
    factors = {"cell": {"recurrent": {"kernel": Factors(XS, XS)}}}
    rule = analogjax.analog_sgd(RATE, Ideal(), key=0)
    with pytest.raises(ValueError, match=r"\(5, 4, 3\) .* stacked in one parameter, unroll"):
        rule.update(params, rule.init(params), params, factors=factors)
