"""Whole models made analog by path patterns, each trained for a few steps on tiles."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import analogjax
from analogjax.devices import SoftBounds
from analogjax.experiments import CharTransformer, ResNet
from analogjax.nn import Analog
from analogjax.nn import linen as ann
from analogjax.nn import nnx as annx
from analogjax.periphery import AnalogIO
from analogjax.pulses import BatchedPulses, ExpectedPulses

DEVICE = SoftBounds.with_states(100).without_variation()
ANALOG = Analog(device=DEVICE, io=AnalogIO(bound_management="none"))
STEPS = 4
ROOT = jax.random.key(0)


# Those that compile fastest, and those that a rule has by default.
SCHEMES = [ExpectedPulses(), pytest.param(BatchedPulses(), marks=pytest.mark.slow)]
each_scheme = pytest.mark.parametrize("pulses", SCHEMES, ids=lambda pulses: type(pulses).__name__)


def optimizer(rules, pulses):
    """The tiles of each rule, and plain SGD for all else."""

    def rule(analog):
        return analogjax.residual_learning(
            0.1,
            analog.device,
            key=0,
            num_tiles=2,
            transfer_every=1,
            pulses=pulses,
            transfer_pulses=pulses,
        )

    return analogjax.by_path(
        {pattern: rule(analog) for pattern, analog in rules if analog.device},
        otherwise=optax.sgd(0.1),
    )


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def on_tiles(state):
    """The paths of the kernels that a rule has put on tiles."""
    inner = (masked.inner_state for masked in state.inner_states.values())
    return {path for rule in inner for path in getattr(rule, "weights", ())}


def train_linen(model, rules, pulses, x, labels, **mutable):
    """Trains a converted model; parameters before and after, and the losses."""
    model, tx = ann.convert(model, rules), optimizer(rules, pulses)
    variables = jax.jit(model.init)(ROOT, x)
    kwargs = {"train": True} if mutable else {}

    @jax.jit
    def step(variables, state, key):
        taps = ann.taps(model, variables, x, **kwargs)
        rngs = {"analog": key}

        def loss(params, taps):
            given = {**variables, "params": params, "taps": taps}
            out = model.apply(given, x, rngs=rngs, **mutable, **kwargs)
            logits, changed = out if mutable else (out, {})
            return cross_entropy(logits, labels), changed

        params = variables["params"]
        (value, changed), (grads, factors) = jax.value_and_grad(loss, (0, 1), has_aux=True)(
            params, taps
        )
        updates, state = tx.update(grads, state, params, value=value, factors=factors)
        params = optax.apply_updates(params, updates)
        return {"params": params, **changed}, state, value

    new, state, values = variables, jax.jit(tx.init)(variables["params"]), []
    for n in range(STEPS):
        new, state, value = step(new, state, jax.random.key(n))
        values.append(float(value))
    return variables, new, values, on_tiles(state)


def check_trained(before, after, values):
    assert np.isfinite(values).all()
    assert all(jnp.isfinite(new).all() for new in jax.tree.leaves(after))
    moved = jax.tree.map(lambda old, new: bool((old != new).any()), before, after)
    assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize("blocks", [1, pytest.param(2, marks=pytest.mark.slow)])
@each_scheme
def test_the_last_stages_and_the_head_of_a_residual_network(pulses, blocks):
    rules = [("stage[34]_.*/kernel$", ANALOG), ("head/kernel", ANALOG)]
    x = jax.random.normal(ROOT, (2, 8, 8, 3))
    model = ResNet(classes=3, width=2, blocks=(blocks,) * 4)
    before, after, values, tiles = train_linen(
        model, rules, pulses, x, jnp.array([0, 1]), mutable=["batch_stats"]
    )
    check_trained(before, after, values)
    assert len(tiles) == 4 * blocks + 3  # Convolutions, two shortcuts, the head.


@pytest.mark.slow
@each_scheme
def test_a_transformer_of_six_layers(pulses):
    rules = [("kernel$", ANALOG)]
    text = jax.random.randint(ROOT, (2, 5), 0, 7)
    model = CharTransformer(vocabulary=7, width=4, heads=2, layers=6)
    before, after, values, tiles = train_linen(model, rules, pulses, text[:, :-1], text[:, 1:])
    check_trained(before, after, values)
    assert len(tiles) == 6 * 6 + 1


class Letters(nnx.Module):
    """Attention between letters."""

    def __init__(self, rngs):
        self.embed = nnx.Embed(5, 4, rngs=rngs)
        self.norm = nnx.LayerNorm(4, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(2, 4, decode=False, rngs=rngs)
        self.head = nnx.Linear(4, 5, rngs=rngs)

    def __call__(self, text):
        x = self.norm(self.embed(text))
        mask = nnx.make_causal_mask(text)
        return self.head(x + self.attention(x, mask=mask))


def test_an_nnx_model():
    rules = [("(out|head)/kernel", ANALOG), ("query", Analog(io=ANALOG.io))]
    text = jax.random.randint(ROOT, (2, 5), 0, 5)
    model = annx.convert(Letters(nnx.Rngs(0)), rules, rngs=nnx.Rngs(analog=0))
    opt = nnx.Optimizer(model, optimizer(rules, ExpectedPulses()), wrt=nnx.Param)

    @nnx.jit
    def step(model, opt):
        def loss(model):
            return cross_entropy(model(text[:, :-1]), text[:, 1:])

        value, (grads, factors) = annx.value_and_factors(loss)(model)
        opt.update(model, grads, value=value, factors=factors)
        return value

    before = jax.tree.map(jnp.copy, nnx.to_pure_dict(nnx.state(model.head, nnx.Param)))
    values = [float(step(model, opt)) for _ in range(STEPS)]
    check_trained(before, nnx.to_pure_dict(nnx.state(model.head, nnx.Param)), values)
