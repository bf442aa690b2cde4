"""Every rule in every place flax has for an optimizer, beside plain SGD for the biases."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx
from flax.training import train_state

import analogjax
from analogjax.devices import SoftBounds
from analogjax.nn import labels
from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx
from analogjax.pulses import ExpectedPulses
from analogjax.rules import leaf_name

STEPS, GAMMA, DIGITAL_RATE = 3, 0.5, 0.1
CHAIN = {"num_tiles": 2, "gamma": GAMMA, "transfer_every": 1, "transfer_lr": 0.3}
RULES = {
    "analog_sgd": ("analog_sgd", {}),
    "tiki_taka": ("tiki_taka", {"gamma": GAMMA}),
    "mixed_precision": ("mixed_precision", {}),
    "residual_stages": ("residual_learning", {**CHAIN, "warm_start": analogjax.Stages(1)}),
    "tiki_taka_v2": ("tiki_taka_v2", {"gamma": GAMMA, "transfer_lr": 5.0}),
    "chopped_tiki_taka": ("chopped_tiki_taka", {"gamma": GAMMA, "chop_prob": 0.5}),
    "agad": ("agad", {"gamma": GAMMA, "chop_prob": 0.5}),
    "residual_learning_v2": ("residual_learning_v2", {"gamma": GAMMA, "threshold": 0.01}),
    "residual_plateau": ("residual_learning", {**CHAIN, "warm_start": analogjax.Plateau()}),
}
X = jax.random.normal(jax.random.key(1), (4, 4, 4, 1))
LABELS = jnp.array([0, 1, 0, 1])


def optimizer(name):
    factory, settings = RULES[name]
    schemes = {"pulses": ExpectedPulses(noise=True)}  # The one that compiles fastest.
    if factory not in ("analog_sgd", "mixed_precision"):
        schemes["transfer_pulses"] = schemes["pulses"]
    # Steps that vary, so that each parameter's devices matter, and little else to compile.
    device = dataclasses.replace(SoftBounds.with_states(20).without_variation(), dw_min_dtod=0.3)
    rule = getattr(analogjax, factory)(0.5, device, key=0, **schemes, **settings)
    return optax.partition({"analog": rule, "digital": optax.sgd(DIGITAL_RATE)}, labels)


def cross_entropy(logits):
    return optax.softmax_cross_entropy_with_integer_labels(logits, LABELS).mean()


class LinenNetwork(nn.Module):
    """One layer alone: a rule takes longer to compile than everything around it."""

    @nn.compact
    def __call__(self, x):
        return nn.tanh(ann.Conv(2, (2, 2), strides=2, padding="VALID")(x)).mean((1, 2))


class NnxNetwork(nnx.Module):
    def __init__(self, rngs):
        self.conv = annx.Conv(1, 2, (2, 2), strides=2, padding="VALID", rngs=rngs)

    def __call__(self, x):
        return jnp.tanh(self.conv(x)).mean((1, 2))


def run(step, state, params_of):
    """Parameters before, the gradients of each step, parameters after, the last state."""
    before, grads = params_of(state), []
    for _ in range(STEPS):
        state, gradient = step(state)
        grads.append(gradient)
    return before, grads, params_of(state), state


def by_hand(tx):
    """A dictionary of parameters, and optax's own two calls."""

    def loss(params):
        return cross_entropy(X.reshape(4, -1) @ params["kernel"] + params["bias"])

    @jax.jit
    def step(state):
        params, opt_state = state
        value, grads = jax.value_and_grad(loss)(params)
        updates, opt_state = tx.update(grads, opt_state, params, value=value)
        return (optax.apply_updates(params, updates), opt_state), grads

    params = {"kernel": jnp.full((16, 2), 0.1), "bias": jnp.zeros(2)}
    *results, state = run(step, (params, tx.init(params)), lambda state: state[0])
    return *results, state[1]


def linen(tx, *, with_extra=True):
    """A linen network in a TrainState: flax's own, or the one that passes extra arguments on."""
    model = LinenNetwork()
    kind = ann.TrainState if with_extra else train_state.TrainState

    @jax.jit
    def step(state):
        taps = ann.taps(model, {"params": state.params}, X)

        def loss(params, taps):
            return cross_entropy(model.apply({"params": params, "taps": taps}, X))

        value, (grads, factors) = jax.value_and_grad(loss, (0, 1))(state.params, taps)
        extra = {"value": value, "factors": factors} if with_extra else {}
        return state.apply_gradients(grads=grads, **extra), grads

    params = jax.jit(model.init)(jax.random.key(0), X)["params"]
    state = kind.create(apply_fn=model.apply, params=params, tx=tx)
    *results, state = run(step, state, lambda state: state.params)
    return *results, state.opt_state


def flax_train_state(tx):
    return linen(tx, with_extra=False)


def nnx_optimizer(tx):
    """An nnx network in ``nnx.Optimizer``, whose leaves come wrapped at init and bare later."""
    model = NnxNetwork(nnx.Rngs(0))
    opt = nnx.Optimizer(model, tx, wrt=nnx.Param)

    @nnx.jit
    def step(state):
        model, opt = state
        value, (grads, factors) = annx.value_and_factors(lambda m: cross_entropy(m(X)))(model)
        opt.update(model, grads, value=value, factors=factors)
        return state, grads

    def params_of(state):
        return jax.tree.map(jnp.copy, nnx.as_pure(nnx.state(state[0], nnx.Param)))

    before, grads, after, _ = run(step, (model, opt), params_of)
    return before, [nnx.as_pure(g) for g in grads], after, nnx.as_pure(opt.opt_state)


WAYS = {f.__name__: f for f in (by_hand, linen, flax_train_state, nnx_optimizer)}


def named(tree):
    flat = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {leaf_name(path): np.asarray(leaf) for path, leaf in flat}


def on_tiles(state):
    """The matrix that the tiles of one parameter stand for."""
    stack = getattr(state, "stack", state)
    weights = [np.asarray(tile.w, np.float64) for tile in stack.tiles]
    if hasattr(state, "chopper"):
        weights[1] *= np.asarray(state.chopper)
    return sum(GAMMA**n * w for n, w in enumerate(weights))


# Every rule in one place, and in every place the one that needs most of it, the loss.
CASES = [
    pytest.param(
        name, way, marks=() if way == "linen" or name == "residual_plateau" else pytest.mark.slow
    )
    for name, way in itertools.product(RULES, WAYS)
]


@pytest.mark.parametrize(("name", "way"), CASES)
def test_kernels_follow_their_tiles_and_biases_plain_sgd(name, way):
    tx = optimizer(name)
    if (name, way) == ("residual_plateau", "flax_train_state"):
        with pytest.raises(ValueError, match="Plateau needs the loss"):
            WAYS[way](tx)
        return
    before, grads, after, state = WAYS[way](tx)
    before, after, grads = named(before), named(after), [named(g) for g in grads]
    state = optax.tree.get(state, "AnalogState")
    analog = {path for path in after if path.endswith("kernel")}
    assert set(state.weights) == analog
    for path, leaf in after.items():
        assert np.isfinite(leaf).all()
        assert np.any(leaf != before[path])
        if path in analog:
            expected = on_tiles(state.weights[path]).reshape(leaf.shape)
            np.testing.assert_allclose(leaf, expected, rtol=0, atol=np.spacing(np.float32(1.0)))
        else:
            expected = before[path] - DIGITAL_RATE * sum(g[path] for g in grads)
            np.testing.assert_allclose(leaf, expected, rtol=1e-6, atol=1e-7)
    assert int(state.count) == STEPS
