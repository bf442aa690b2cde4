"""Cutting a model into stages, and the mistakes in it."""

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import linen as nn

from analogjax.nn import Mapping
from analogjax.nn import linen as ann
from analogjax.pipeline import Sequential, Synchronous, cut, pipeline_training

SHARED = nn.Dense(3)


def sequence(*layers):
    return nn.Sequential(layers)


def dense(number):
    return [layer for _ in range(number) for layer in (nn.Dense(3), nn.tanh)]


def test_stages_have_as_many_layers_with_weights_as_can_be():
    model = sequence(jnp.ravel, *dense(7))
    sizes = [[sum(n % 2 for n in stage.layers) for stage in cut(model, m)] for m in range(1, 8)]
    assert sizes == [
        [7], [4, 3], [3, 2, 2], [2, 2, 2, 1], [2, 2, 1, 1, 1], [2, 1, 1, 1, 1, 1], [1] * 7
    ]  # fmt: skip
    for m in range(1, 8):
        assert sum((stage.layers for stage in cut(model, m)), ()) == tuple(range(15))
    assert cut(model, 7)[0].layers == (0, 1, 2)
    assert cut(model, 7)[6].names == ("layers_13",)


class Affine(nn.Dense):
    @nn.compact
    def __call__(self, x):
        return jnp.tanh(super().__call__(x))


@pytest.mark.parametrize(
    ("model", "stages", "error", "message"),
    [
        (sequence(*dense(3)), 4, ValueError, "has 3 layers with weights .* cut into 4 stages"),
        (sequence(nn.tanh), 1, ValueError, "has 0 layers"),
        (sequence(*dense(3)), 0, ValueError, "stages must be .* got 0"),
        (nn.Dense(3), 1, TypeError, "layers of an nn.Sequential, got Dense"),
        (sequence(nn.Dense(3), nn.BatchNorm()), 1, TypeError, "Layer 1 is a BatchNorm, which"),
        (sequence(nn.Dense(3), nn.Dropout(0.1)), 1, TypeError, "Layer 1 is a Dropout"),
        (sequence(Affine(3)), 1, TypeError, "Layer 0 is a Affine"),
        (sequence(*dense(1), sequence(*dense(2))), 1, TypeError, "Layer 2 is a Sequential"),
        (sequence(nn.Dense(3), 3), 1, TypeError, "Layer 1 cannot be called: 3"),
        (sequence(SHARED, nn.tanh, SHARED), 2, ValueError, "Layers 0 and 2 are one Dense, whose"),
        (
            sequence(ann.Dense(3, mapping=Mapping(learn_out_scaling=True))),
            1,
            ValueError,
            "Layer 0 has a learned scale",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused(model, stages, error, message):
    with pytest.raises(error, match=message):
        cut(model, stages)


def start(model, stages, x, schedule=None):
    training = pipeline_training(
        cut(model, stages),
        lambda n: optax.sgd(0.1),
        schedule or Sequential(),
        lambda y, t: y.mean(),
    )
    return training.run, training.init(jax.random.key(0), x[0])


STAGES = cut(sequence(*dense(3)), 3)


@pytest.mark.parametrize(
    ("stages", "error", "message"),
    [
        ((), ValueError, r"stages must be all those .* got 0, of 0 models, with the layers \[\]"),
        (STAGES[:1], ValueError, r"got 1, of 1 models, with the layers \[0, 1\]"),
        (STAGES[::-1], ValueError, r"with the layers \[4, 5, 2, 3, 0, 1\]"),
        ((*STAGES, STAGES[2]), ValueError, "got 4, of 1 models"),
        ((*STAGES[:2], cut(sequence(*dense(3)), 3)[2]), ValueError, "got 3, of 2 models"),
        ([nn.Dense(3)], TypeError, "stages must be those of cut, got Dense"),
    ],
)
def test_stages_are_all_those_of_a_model(stages, error, message):
    with pytest.raises(error, match=message):
        pipeline_training(stages, lambda n: optax.sgd(0.1), Sequential(), lambda y, t: y.mean())


def test_a_rule_in_place_of_its_function_is_told():
    with pytest.raises(
        TypeError, match=r"rule_of must be a function .* got GradientTransformation"
    ):
        pipeline_training(STAGES, optax.sgd(0.1), Sequential(), lambda y, t: y.mean())


def test_what_is_no_rule_is_told():
    with pytest.raises(TypeError, match="must return a gradient transformation, got None for st"):
        pipeline_training(STAGES, lambda stage: None, Sequential(), lambda y, t: y.mean())


def test_a_state_of_other_stages_is_told():
    xs = jnp.ones((2, 4, 3))
    _, state = start(sequence(*dense(3)), 2, xs)
    run, _ = start(sequence(*dense(3)), 3, xs)
    message = r"made for stages of the layers \[\['layers_0', 'layers_2'\], \['layers_4'\]\], but"
    with pytest.raises(ValueError, match=message):
        run(state, xs, xs)


def test_a_stage_that_does_not_fit_the_one_before_is_named():
    xs = jnp.ones((2, 4, 3))
    run, state = start(sequence(*dense(3)), 3, xs)
    params = (*state.params[:2], {"layers_4": {"kernel": jnp.ones((5, 2)), "bias": jnp.ones(2)}})
    message = r"Stage 3 \(Dense, tanh\) does not fit: stage 2 \(Dense, tanh\) gives \(4, 3\)"
    with pytest.raises(ValueError, match=message):
        run(state._replace(params=params), xs, xs)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((nn.Dense(3), lambda x: x.reshape(2, -1), nn.Dense(2)), r"stage 1 .* gives \(2, 6\)"),
        ((nn.Dense(3), lambda x: (x,), nn.Dense(2)), "stage 1 .* gives tuple"),
        ((nn.Dense(3), jnp.int32, nn.Dense(2)), "stage 1 .* gives int32"),
    ],
)
def test_stages_pass_on_one_array_of_samples(layers, message):
    xs = jnp.ones((2, 4, 3))
    run, state = start(sequence(*layers), 2, xs)
    with pytest.raises(ValueError, match=message):
        run(state, xs, xs)


@pytest.mark.parametrize(
    ("xs", "ys", "message"),
    [
        ((2, 4, 3), (2, 4), "A mini-batch of 4 samples has no 3 equal micro-batches"),
        ((2, 6, 3), (3, 6), r"same steps and samples, got \(2, 6, 3\) and \(3, 6\)"),
        ((0, 6, 3), (0, 6), r"inputs of a pipeline must be \(steps, batch, ...\)"),
        ((2, 6, 3), (2,), r"targets of a pipeline must be \(steps, batch, ...\)"),
    ],
)
def test_data_that_make_no_micro_batches_are_refused(xs, ys, message):
    run, state = start(sequence(nn.Dense(3)), 1, jnp.ones((1, 4, 3)), Synchronous(3))
    with pytest.raises(ValueError, match=message):
        run(state, jnp.ones(xs), jnp.ones(ys))
