"""A pipeline on one device: the recursion of its schedule, one scan over the mini-batches."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import optax

from analogjax.pipeline._passes import backward, forward, update
from analogjax.pipeline._schedule import Schedule
from analogjax.pipeline._stage import Stage
from analogjax.pipeline._state import PipelineState, read_key

Tree = Any


def run_simulated(
    stages: Sequence[Stage],
    rules: Sequence[optax.GradientTransformationExtraArgs],
    schedule: Schedule,
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    state: PipelineState,
    xs: jax.Array,
    ys: jax.Array,
) -> tuple[PipelineState, jax.Array]:
    """As ``PipelineTraining.run``, of ``(steps, micro-batches, samples, ...)``.

    In step t all stages have learned k = t - d_1 mini-batches. Stage m sends mini-batch k + d_m
    forward, so that its outputs wait d_m - d_{m+1} steps for the next stage, and mini-batch k back
    d_m steps later. All micro-batches of a mini-batch meet the same weights and go together.
    """
    steps, parts = xs.shape[:2]
    delays = schedule.delays(len(stages))
    waits = [before - after for before, after in pairwise((*delays, 0))]

    def keys_of(batch):
        first = (state.count + batch) * parts
        return jax.vmap(read_key, (None, 0))(state.key, first + jnp.arange(parts))

    def send_forward(params, lines, t):
        """The outputs of the last stage for mini-batch t - d_1."""
        x, new = xs[jnp.minimum(t, steps - 1)], []
        for stage, own, variables, delay, wait, (kept, sent) in zip(
            stages, params, state.variables, delays, waits, lines, strict=True
        ):
            keys = keys_of(t - delays[0] + delay)
            x, inputs = _each(forward, 3)(stage, own, variables, x, keys)
            kept, sent = _push(kept, t, inputs, delay), _push(sent, t, x, wait)
            new.append((kept, sent))
            x = _oldest(sent, t, wait)
        return x, tuple(new)

    def learn(params, opt_state, lines, outputs, t):
        """Every stage after mini-batch t - d_1, and its loss."""
        batch = t - delays[0]
        values, errors = jax.vmap(jax.value_and_grad(loss))(outputs, ys[batch])
        value, error = values.mean(dtype=jnp.float32), errors / parts
        keys = keys_of(batch)
        new = []
        for n in reversed(range(len(stages))):
            kept = _oldest(lines[n][0], t, delays[n])
            gradients, factors, error = _each(backward, 3)(
                stages[n], params[n], state.variables[n], kept, error, keys
            )
            gradients = jax.tree.map(lambda leaf: leaf.sum(0), gradients)
            new.append(update(rules[n], params[n], opt_state[n], gradients, factors, value))
        params, opt_state = zip(*reversed(new), strict=True)
        return params, opt_state, value

    def step(carry, t):
        params, opt_state, lines = carry
        outputs, lines = send_forward(params, lines, t)

        def learn_now(params, opt_state):
            return learn(params, opt_state, lines, outputs, t)

        def fill(params, opt_state):
            return params, opt_state, jnp.zeros((), jnp.float32)

        if delays[0]:
            params, opt_state, value = jax.lax.cond(
                t >= delays[0], learn_now, fill, params, opt_state
            )
        else:
            params, opt_state, value = learn_now(params, opt_state)
        return (params, opt_state, lines), value

    lines = _empty_lines(stages, state, xs[0], delays, waits)
    start = state.params, state.opt_state, lines
    carry, losses = jax.lax.scan(step, start, jnp.arange(steps + delays[0]))
    params, opt_state, _ = carry
    new = state._replace(params=params, opt_state=opt_state, count=state.count + steps)
    return new, losses[delays[0] :]


def _each(run: Callable, shared: int) -> Callable:
    """A pass of each micro-batch: all arguments but the first few have an axis of them."""

    def call(*args):
        fixed, mapped = args[:shared], args[shared:]
        return jax.vmap(lambda *mapped: run(*fixed, *mapped))(*mapped)

    return call


def _empty_lines(stages, state, x, delays, waits) -> tuple[tuple[Tree, Tree], ...]:
    """For each stage a line of what it keeps, and one of what it has sent to the next stage."""
    lines = []
    keys = jax.eval_shape(jax.vmap(read_key, (None, 0)), state.key, jnp.arange(len(x)))
    for stage, params, variables, delay, wait in zip(
        stages, state.params, state.variables, delays, waits, strict=True
    ):
        passes = _each(lambda *args, stage=stage: forward(stage, *args), 2)
        x, kept = jax.eval_shape(passes, params, variables, x, keys)
        lines.append((_line(kept, delay), _line(x, wait)))
    return tuple(lines)


def _line(shapes: Tree, delay: int) -> Tree:
    """Room for what is pushed in a step and in so many steps before."""
    return jax.tree.map(lambda leaf: jnp.zeros((delay + 1, *leaf.shape), leaf.dtype), shapes)


def _push(line: Tree, t: jax.Array, value: Tree, delay: int) -> Tree:
    return jax.tree.map(lambda row, leaf: row.at[t % (delay + 1)].set(leaf), line, value)


def _oldest(line: Tree, t: jax.Array, delay: int) -> Tree:
    """What was pushed so many steps ago."""
    return jax.tree.map(lambda row: row[(t + 1) % (delay + 1)], line)
