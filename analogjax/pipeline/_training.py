"""Training in a pipeline, as two pure functions."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from analogjax.pipeline._on_devices import check_devices, run_on_devices
from analogjax.pipeline._passes import forward
from analogjax.pipeline._schedule import Schedule, check_schedule
from analogjax.pipeline._simulated import run_simulated
from analogjax.pipeline._stage import Stage, check_stages
from analogjax.pipeline._state import PipelineState


class PipelineTraining(NamedTuple):
    """A training in a pipeline.

    Attributes:
      init: from a key and some inputs, ``(batch, ...)``, to the state before the first mini-batch.
      run: from a state, inputs ``(steps, batch, ...)`` and targets ``(steps, batch, ...)`` to the
        state after these mini-batches and the loss of each of them, ``(steps,)``.
    """

    init: Callable[[jax.Array, jax.Array], PipelineState]
    run: Callable[[PipelineState, jax.Array, jax.Array], tuple[PipelineState, jax.Array]]


def pipeline_training(
    stages: Sequence[Stage],
    rule_of: Callable[[int], optax.GradientTransformation],
    schedule: Schedule,
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    *,
    devices: Sequence[jax.Device] | None = None,
) -> PipelineTraining:
    r"""Builds a training of a model whose stages learn as a schedule says.

    A run is one stretch of the pipeline's work: it is filled at the start, with forward passes
    through the first weights, and drained at the end, so that every mini-batch is learned. Call it
    once an epoch, or once for all epochs where even that shall not empty the pipeline. Both
    functions are pure: wrap them in ``jax.jit``, and in ``jax.vmap`` to train several seeds.

    Without ``devices`` the pipeline is simulated on one, in a ``lax.scan`` over the mini-batches:
    in step k every stage m sends mini-batch :math:`k + d_m` forward and mini-batch k back, and
    learns. With ``devices`` each has a stage of its own for the length of a run and goes through
    the clocks of :func:`timetable`, while activations and errors travel between neighbours. Both
    give the same numbers, to float rounding, from and to the same state.

    The errors that go back through a layer are multiplied by its weights of that moment; its
    gradient is made of its inputs of the forward pass, and the slope of an activation is that at
    its inputs of the forward pass, also between the layers of a stage of several.

    Args:
      stages: all those of a model, in order, from :func:`cut`.
      rule_of: from the number of a stage, m from 1 on, to the rule for its parameters, which are
        named as those of the model are; the same rule with the same key may serve all stages. It is
        given ``factors`` and, as ``value``, the loss of the mini-batch.
      schedule: how mini-batches go through the stages.
      loss: from outputs and targets of a micro-batch to their mean loss.
      devices: one for each stage, as in ``jax.devices()[:stages]``; None to simulate the pipeline.

    Returns:
      The training.

    Raises:
      TypeError: if the stages, ``rule_of`` or the schedule are something else.
      ValueError: if the stages are not those of a model, the schedule is impossible, there is not
        one device for each stage, or, by a call, a stage does not fit the one before or a
        mini-batch has no equal micro-batches.

    Reference: analog SGD in pipelines: arXiv:2410.15155.

    Example:
      >>> import jax, jax.numpy as jnp, optax, analogjax
      >>> from flax import linen as nn
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.nn import labels, linen as ann
      >>> from analogjax.pipeline import Asynchronous, cut, pipeline_training
      >>> model = nn.Sequential([ann.Dense(8), nn.tanh, ann.Dense(1)])
      >>> rule = analogjax.analog_sgd(0.1, SoftBounds.with_states(1000), key=0)
      >>> rule = optax.partition({"analog": rule, "digital": optax.sgd(0.1)}, labels)
      >>> training = pipeline_training(
      ...     cut(model, 2), lambda stage: rule, Asynchronous(), lambda y, t: jnp.mean((y - t) ** 2)
      ... )
      >>> x = jax.random.normal(jax.random.key(1), (400, 4, 3))  # 400 mini-batches of 4 samples.
      >>> state = training.init(jax.random.key(2), x[0])
      >>> state, losses = jax.jit(training.run)(state, x, x.sum(-1, keepdims=True) / 3)
      >>> losses.shape, bool(losses[-100:].mean() < 0.1 * losses[:10].mean())
      ((400,), True)
    """
    check_stages(stages)
    if not callable(rule_of):
        raise TypeError(
            f"rule_of must be a function from the number of a stage to its rule, such as "
            f"lambda stage: rule, got {type(rule_of).__name__}."
        )
    check_schedule(schedule)
    schedule.delays(len(stages))
    if devices is not None:
        check_devices(devices, len(stages))
    rules = tuple(_rule(rule_of(stage), stage) for stage in range(1, len(stages) + 1))

    def init(key: jax.Array, x: jax.Array) -> PipelineState:
        key_params, key_reads = jax.random.split(key)
        variables = dict(stages[0].model.init(key_params, x))
        params = variables.pop("params")
        each = tuple(_of_stage(stage, params) for stage in stages)
        others = tuple(
            {name: _of_stage(stage, own) for name, own in variables.items()} for stage in stages
        )
        states = tuple(rule.init(own) for rule, own in zip(rules, each, strict=True))
        return PipelineState(each, others, states, key_reads, jnp.zeros((), jnp.int32))

    def run(state: PipelineState, xs: jax.Array, ys: jax.Array):
        parts = schedule.micro_batches
        x, y = _micro_batches("inputs", xs, parts), _micro_batches("targets", ys, parts)
        if x.shape[:3] != y.shape[:3]:
            raise ValueError(
                f"Inputs and targets must have the same steps and samples, got {xs.shape} and "
                f"{ys.shape}."
            )
        _check_fit(stages, state, x)
        if devices is None:
            return run_simulated(stages, rules, schedule, loss, state, x, y)
        return run_on_devices(stages, rules, schedule, loss, devices, state, x, y)

    return PipelineTraining(init, run)


def _rule(rule, stage: int) -> optax.GradientTransformationExtraArgs:
    if not isinstance(rule, optax.GradientTransformation):
        raise TypeError(
            f"rule_of must return a gradient transformation, got {rule!r} for stage {stage}."
        )
    return optax.with_extra_args_support(rule)


def _of_stage(stage: Stage, tree: dict[str, Any]) -> dict[str, Any]:
    return {name: tree[name] for name in stage.names if name in tree}


def _micro_batches(what: str, array: jax.Array, parts: int) -> jax.Array:
    """An array ``(steps, batch, ...)`` as ``(steps, parts, batch / parts, ...)``."""
    array = jnp.asarray(array)
    if array.ndim < 2 or 0 in array.shape:
        raise ValueError(
            f"The {what} of a pipeline must be (steps, batch, ...), got the shape {array.shape}."
        )
    steps, batch, *rest = array.shape
    if batch % parts:
        raise ValueError(
            f"A mini-batch of {batch} samples has no {parts} equal micro-batches: choose "
            f"micro_batches that divides it."
        )
    return array.reshape(steps, parts, batch // parts, *rest)


def _check_fit(stages: Sequence[Stage], state: PipelineState, xs: jax.Array) -> None:
    """Raises a ValueError if what a stage gives is nothing that the next one can take."""
    made_for = [[*params] for params in state.params]
    given = [[*stage.names] for stage in stages]
    if len(made_for) != len(given) or not all(map(set.issuperset, map(set, given), made_for)):
        raise ValueError(
            f"The state was made for stages of the layers {made_for}, but the stages have {given}: "
            f"make a state with the init of this training."
        )
    x = jax.ShapeDtypeStruct(xs.shape[2:], xs.dtype)
    before = "the inputs are"
    for number, stage in enumerate(stages, 1):
        if not (hasattr(x, "shape") and x.shape[:1] == xs.shape[2:3]):
            raise ValueError(
                f"Between stages goes one array with the axis of samples first, {xs.shape[2]} of "
                f"them; {before} {_shape(x)}."
            )
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(
                f"Stages take floating-point numbers, {before} {x.dtype}: convert them first."
            )
        params, variables = state.params[number - 1], state.variables[number - 1]

        def run(params, variables, x, key, stage=stage):
            return forward(stage, params, variables, x, key)[0]

        try:
            y = jax.eval_shape(run, params, variables, x, state.key)
        except Exception as error:
            raise ValueError(
                f"Stage {number} ({stage.title}) does not fit: {before} {_shape(x)}, which it "
                f"cannot take."
            ) from error
        x, before = y, f"stage {number} ({stage.title}) gives"


def _shape(x) -> str:
    return str(x.shape) if hasattr(x, "shape") else type(x).__name__
