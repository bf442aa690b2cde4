"""A pipeline over several devices: each has one stage, and messages go between neighbours."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from analogjax.pipeline._pack import pack, unpack, words_needed
from analogjax.pipeline._schedule import Schedule
from analogjax.pipeline._stage import Stage
from analogjax.pipeline._stage_program import Data, Now, StageProgram
from analogjax.pipeline._state import PipelineState
from analogjax.pipeline._timetable import IDLE, Timetable, timetable

AXIS = "stage"


def check_devices(devices: Sequence[jax.Device], stages: int) -> None:
    """Raises a ValueError if there is not one device for each stage."""
    if not stages == len(devices) == len(set(devices)):
        raise ValueError(
            f"A pipeline of {stages} stages needs as many devices, each another, got "
            f"{len(devices)} ({len(set(devices))} different): give jax.devices()[:{stages}], or "
            f"simulate them with devices=None."
        )


def run_on_devices(
    stages: Sequence[Stage],
    rules: Sequence[optax.GradientTransformationExtraArgs],
    schedule: Schedule,
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    devices: Sequence[jax.Device],
    state: PipelineState,
    xs: jax.Array,
    ys: jax.Array,
) -> tuple[PipelineState, jax.Array]:
    """As ``PipelineTraining.run``, of ``(steps, micro-batches, samples, ...)``.

    The stages differ in what they hold and do. So each device has its memory as one vector of
    words, as long as the longest of them, and takes the branch of its own stage in each clock.
    """
    steps, parts = xs.shape[:2]
    table = timetable(schedule, stages=len(stages), mini_batches=steps, shared=True)
    data = Data(
        x=xs.reshape(steps * parts, *xs.shape[2:]),
        y=ys.reshape(steps * parts, *ys.shape[2:]),
        key=state.key,
        before=state.count * parts,
    )
    programs = _programs(stages, rules, loss, state, table, data, parts)
    starts = [
        program.memory(*of_stage)
        for program, *of_stage in zip(
            programs, state.params, state.variables, state.opt_state, strict=True
        )
    ]
    size = max(map(words_needed, starts))
    memories = jnp.stack([pack(memory, size) for memory in starts])
    memories, values = _run_clocks(programs, starts, devices, memories, _clocks(table), data)
    ends = [unpack(words, start) for words, start in zip(memories, starts, strict=True)]
    new = state._replace(
        params=tuple(memory.params for memory in ends),
        opt_state=tuple(memory.opt_state for memory in ends),
        count=state.count + steps,
    )
    (at,) = np.nonzero(table.backward[:, -1] != IDLE)
    return new, values[at, -1].reshape(steps, parts).mean(1)


def _programs(stages, rules, loss, state, table, data, parts) -> list[StageProgram]:
    """What each device does, from the shapes that go through the stages."""
    programs = []
    x = jax.ShapeDtypeStruct(data.x.shape[1:], data.x.dtype)
    for n, stage in enumerate(stages):
        program = StageProgram(
            stage=stage,
            rule=rules[n],
            loss=loss if n == len(stages) - 1 else None,
            is_first=n == 0,
            ring=table.held[n],
            parts=parts,
            shapes=StageProgram.shapes_for(
                stage, state.params[n], state.variables[n], x, state.key
            ),
        )
        programs.append(program)
        x = program.shapes.y
    return programs


def _clocks(table: Timetable) -> Now:
    """The timetable and the arrivals that follow from it, ``(clocks, stages)`` each."""
    arrived, returned = np.full_like(table.forward, IDLE), np.full_like(table.backward, IDLE)
    arrived[1:, 1:] = table.forward[:-1, :-1]
    returned[1:, :-1] = table.backward[:-1, 1:]
    return Now(*map(jnp.asarray, (arrived, table.forward, returned, table.backward)))


def _run_clocks(programs, starts, devices, memories, clocks: Now, data: Data):
    """The memories after all clocks, and the losses, ``(clocks, stages)``, of the last stage."""
    onward = max(words_needed(program.shapes.y) for program in programs)
    back = max(words_needed(program.shapes.returned) for program in programs)

    def branch_of(program, start, data):
        def branch(memory, output, error, now):
            memory = unpack(memory, start)
            memory = program.receive(memory, now, output, error)
            memory, output = program.forward(memory, now, data)
            memory, error, value = program.backward(memory, now, data)
            return pack(memory, memories.shape[1]), pack(output, onward), pack(error, back), value

        return branch

    def on_device(memory, clocks, data):
        branches = [branch_of(*both, data) for both in zip(programs, starts, strict=True)]
        hops = [(n, n + 1) for n in range(len(programs) - 1)]

        def clock(carry, now):
            own = Now(*(row[0] for row in now))
            memory, output, error, value = jax.lax.switch(
                jax.lax.axis_index(AXIS), branches, *carry, own
            )
            output = jax.lax.ppermute(output, AXIS, hops)
            error = jax.lax.ppermute(error, AXIS, [(after, before) for before, after in hops])
            return (memory, output, error), value[None]

        none = jnp.zeros(onward, jnp.uint32), jnp.zeros(back, jnp.uint32)
        carry, values = jax.lax.scan(clock, (memory[0], *none), clocks)
        return carry[0][None], values

    own, by_clock, everywhere = jax.P(AXIS), jax.P(None, AXIS), jax.P()
    return jax.shard_map(
        on_device,
        mesh=jax.sharding.Mesh(np.array(devices), (AXIS,)),
        in_specs=(own, by_clock, everywhere),
        out_specs=(own, by_clock),
        check_vma=False,  # The devices take branches of their own.
    )(memories, clocks, data)
