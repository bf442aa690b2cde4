"""NNX layers used several times: by loops, by the steps of a scan, under remat, jit and vmap."""

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx
from layers import check_calls, close, nonlinear

import analogjax
from analogjax.devices import Ideal
from analogjax.nn import labels
from analogjax.nn import nnx as annx

RATE, STEPS, BATCH, WIDTH = 0.3, 5, 4, 3
XS = jax.random.normal(jax.random.key(1), (STEPS, BATCH, WIDTH))
TAP_EACH = nnx.StateAxes({annx.Tap: 0, ...: None})


class Cell(nnx.RNNCellBase):
    """A recurrent and an input kernel."""

    num_feature_axes = 1

    def __init__(self):
        self.input = annx.Linear(WIDTH, WIDTH, rngs=nnx.Rngs(0))
        self.recurrent = annx.Linear(WIDTH, WIDTH, use_bias=False, rngs=nnx.Rngs(1))

    def __call__(self, carry, x):
        carry = jnp.tanh(self.recurrent(carry) + self.input(x))
        return carry, carry

    def initialize_carry(self, input_shape, rngs=None):
        return jnp.ones(input_shape)


class Tied(nnx.Module):
    """One layer under two names, and another layer with the same kernel."""

    def __init__(self):
        self.recurrent = annx.Linear(WIDTH, WIDTH, rngs=nnx.Rngs(0))
        self.again = self.recurrent
        self.tied = annx.Linear(WIDTH, WIDTH, rngs=nnx.Rngs(1))
        self.tied.kernel = self.recurrent.kernel

    def __call__(self, xs):
        return self.tied(jnp.tanh(self.again(jnp.tanh(self.recurrent(xs)))))


def looped(lift):
    call = lift(lambda cell, carry, x: cell(carry, x)[0])

    def run(cell, xs):
        carry = jnp.ones_like(xs[0])
        for x in xs:
            carry = call(cell, carry, x)
        return carry

    return run


def scanned(axes, passes=1):
    @nnx.scan(in_axes=(axes, nnx.Carry, 0), out_axes=(nnx.Carry, 0))
    def steps(cell, carry, x):
        return cell(carry, x)

    def run(cell, xs):
        carry = jnp.ones_like(xs[0])
        for _ in range(passes):
            carry, ys = steps(cell, carry, xs)
        return ys

    return run


def mapped(axes):
    call = nnx.vmap(lambda cell, x: cell(x, x)[1], in_axes=(axes, 0))
    return lambda cell, xs: call(cell, call(cell, xs))


def rnn(axes=None):
    return nnx.RNN(Cell(), time_major=True, state_axes=axes)


ONCE, STEP_EACH = (BATCH, WIDTH), (STEPS, BATCH, WIDTH)
# What makes the model, what runs it, the path of a kernel, and the shape of x in each of its uses.
MODELS = {
    "loop": (Cell, looped(lambda call: call), "recurrent", [ONCE] * STEPS),
    "loop_of_remat": (Cell, looped(nnx.remat), "recurrent", [ONCE] * STEPS),
    "loop_of_jit": (Cell, looped(nnx.jit), "recurrent", [ONCE] * STEPS),
    "scan": (Cell, scanned(TAP_EACH), "recurrent", [STEP_EACH]),
    "remat_of_two_scans": (
        Cell,
        nnx.remat(scanned(TAP_EACH, passes=2)),
        "recurrent",
        [STEP_EACH] * 2,
    ),
    "rnn": (
        lambda: rnn(nnx.StateAxes({annx.Tap: 0, ...: nnx.Carry})),
        lambda model, xs: model(xs),
        "cell/recurrent",
        [STEP_EACH],
    ),
    "vmap": (Cell, mapped(TAP_EACH), "recurrent", [STEP_EACH] * 2),
    "tied": (Tied, lambda model, xs: model(xs), "again", [STEP_EACH] * 3),
}


@pytest.mark.parametrize("name", MODELS)
def test_factors_sum_to_the_gradient_of_flax_and_move_kernels_as_plain_sgd(name):
    make, call, path, shapes = MODELS[name]
    model = make()
    rule = analogjax.analog_sgd(RATE, Ideal(), key=0)
    tx = optax.partition({"analog": rule, "digital": optax.sgd(RATE)}, labels)

    @nnx.jit
    def step(model):
        def loss(model):
            return nonlinear(call(model, XS))

        grads, factors = annx.value_and_factors(loss)(model)[1]
        params = nnx.state(model, nnx.Param)
        updates, _ = tx.update(grads, tx.init(params), params, factors=factors)
        return nnx.grad(loss)(model), grads, factors, updates

    expected, grads, factors, updates = step(model)
    jax.tree.map(close, grads, expected)
    jax.tree.map(lambda update, gradient: close(update, -RATE * gradient), updates, expected)
    expected = nnx.to_pure_dict(expected)
    check_calls(factors, expected, path, shapes)


def once_remat_without_updates(cell, xs):
    call = nnx.remat(lambda cell, xs: cell(xs, xs)[0], graph_updates=False)
    return call(cell, xs)


def twice_remat_without_updates(cell, xs):
    return once_remat_without_updates(cell, once_remat_without_updates(cell, xs))


SHARING = {
    "scan_of_a_broadcast_model": (Cell, scanned(None)),
    "scan_of_a_carried_model": (Cell, scanned(nnx.StateAxes({...: nnx.Carry}))),
    "rnn_without_axes": (rnn, lambda model, xs: model(xs)),
    "vmap_of_a_broadcast_model": (Cell, mapped(None)),
    "twice_without_graph_updates": (Cell, twice_remat_without_updates),
}


@pytest.mark.parametrize("name", SHARING)
def test_steps_that_would_share_a_tap_are_refused_with_what_to_write(name):
    make, call = SHARING[name]
    with pytest.raises(ValueError, match=r"give nnx\.scan .* nnx\.StateAxes\({Tap: 0"):
        annx.value_and_factors(lambda model: call(model, XS).sum())(make())


def test_one_call_needs_no_graph_updates():
    loss = lambda cell, xs: once_remat_without_updates(cell, xs).sum()  # noqa: E731
    _, factors = nnx.jit(annx.value_and_factors(loss))(Cell(), XS[0])[1]
    assert factors["recurrent"]["kernel"].x.shape == ONCE


def test_an_error_of_the_loss_itself_is_passed_on():
    with pytest.raises(TypeError, match="dot_general"):
        annx.value_and_factors(lambda cell: scanned(TAP_EACH)(cell, XS[..., :2]).sum())(Cell())


def test_layers_stacked_in_one_parameter_are_told_to_be_unrolled():
    @nnx.vmap
    def stack(key):
        return annx.Linear(WIDTH, WIDTH, use_bias=False, rngs=nnx.Rngs(key))

    @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
    def deep(layer, x):
        return jnp.tanh(layer(x))

    @nnx.jit
    def update(model):
        grads, factors = annx.value_and_factors(lambda model: deep(model, XS[0]).sum())(model)[1]
        rule = analogjax.analog_sgd(RATE, Ideal(), key=0)
        params = nnx.state(model, nnx.Param)
        return rule.update(grads, rule.init(params), params, factors=factors)

    with pytest.raises(ValueError, match=r"\(2, 4, 3\) .* stacked in one parameter, unroll"):
        update(stack(jax.random.split(jax.random.key(0), 2)))
