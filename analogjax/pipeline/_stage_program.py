"""What the device of one stage holds, and what it does in a clock."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from analogjax.pipeline._pack import unpack
from analogjax.pipeline._passes import backward, forward, update
from analogjax.pipeline._stage import Stage
from analogjax.pipeline._state import read_key

Tree = Any


class Data(NamedTuple):
    """What all devices know.

    Attributes:
      x: inputs of all micro-batches; the first stage reads them.
      y: their targets; the last stage reads them.
      key: key of the noise of reads.
      before: number of micro-batches before this run.
    """

    x: jax.Array
    y: jax.Array
    key: jax.Array
    before: jax.Array


class Now(NamedTuple):
    """The numbers of the micro-batches that a stage has to do with in a clock; -1 for none.

    Attributes:
      arrived: that whose inputs have arrived from the stage before.
      forward: that which goes forward.
      returned: that whose errors have arrived from the stage after.
      backward: that whose errors go back.
    """

    arrived: Any
    forward: Any
    returned: Any
    backward: Any


class Memory(NamedTuple):
    """What a device holds. Rings have micro-batch i at place i modulo their length.

    Attributes:
      params, variables, opt_state: of the stage.
      x: ring of the inputs that have arrived.
      kept: ring of the inputs of each layer in the forward pass.
      returned: ring of the errors and losses that have arrived; of the last stage, its outputs.
      summed: gradients and loss of the mini-batch so far.
      factors: factors of each of its micro-batches.
    """

    params: Tree
    variables: Tree
    opt_state: Tree
    x: Tree
    kept: Tree
    returned: Tree
    summed: Tree
    factors: Tree


class Shapes(NamedTuple):
    """Shapes of one micro-batch at a stage.

    Attributes:
      x: inputs.
      y: outputs.
      kept: inputs of each layer.
      returned: errors at the inputs, and the loss, which go to the stage before.
      gradients: of the parameters.
      factors: likewise.
    """

    x: Tree
    y: Tree
    kept: Tree
    returned: Tree
    gradients: Tree
    factors: Tree


@dataclasses.dataclass(frozen=True)
class StageProgram:
    """One stage on its device.

    Attributes:
      stage: the stage.
      rule: its rule.
      loss: of outputs and targets, for the last stage; else None.
      is_first: whether it reads the inputs of the model.
      ring: places of the rings.
      parts: micro-batches of a mini-batch.
      shapes: of a micro-batch.
    """

    stage: Stage
    rule: optax.GradientTransformationExtraArgs
    loss: Callable[[jax.Array, jax.Array], jax.Array] | None
    is_first: bool
    ring: int
    parts: int
    shapes: Shapes

    @staticmethod
    def shapes_for(stage: Stage, params: Tree, variables: Tree, x: Tree, key: jax.Array) -> Shapes:
        """The shapes that inputs of a given shape lead to."""

        def both(params, variables, x, key):
            y, kept = forward(stage, params, variables, x, key)
            gradients, factors, error = backward(stage, params, variables, kept, y, key)
            return y, kept, (error, jnp.zeros((), jnp.float32)), gradients, factors

        return Shapes(x, *jax.eval_shape(both, params, variables, x, key))

    def memory(self, params: Tree, variables: Tree, opt_state: Tree) -> Memory:
        """What the device holds before the first clock."""
        shapes, loss = self.shapes, jax.ShapeDtypeStruct((), jnp.float32)
        returned = shapes.y if self.loss else (shapes.y, loss)
        return Memory(
            params,
            variables,
            opt_state,
            x=() if self.is_first else _zeros(shapes.x, self.ring),
            kept=_zeros(shapes.kept, self.ring),
            returned=_zeros(returned, self.ring),
            summed=_zeros((shapes.gradients, loss)),
            factors=_zeros(shapes.factors, self.parts),
        )

    def receive(self, memory: Memory, now: Now, x: jax.Array, returned: jax.Array) -> Memory:
        """With the messages of the neighbours, in words, if there are any."""
        if not self.is_first:
            x = unpack(x, self.shapes.x)
            memory = memory._replace(x=_put_if(now.arrived, memory.x, self.ring, x))
        if not self.loss:
            errors = unpack(returned, (self.shapes.y, jax.ShapeDtypeStruct((), jnp.float32)))
            memory = memory._replace(
                returned=_put_if(now.returned, memory.returned, self.ring, errors)
            )
        return memory

    def forward(self, memory: Memory, now: Now, data: Data) -> tuple[Memory, jax.Array]:
        """The forward pass of this clock, if there is one, and its outputs."""

        def run(memory):
            x = data.x[now.forward] if self.is_first else memory.x[now.forward % self.ring]
            key = read_key(data.key, data.before + now.forward)
            y, kept = forward(self.stage, memory.params, memory.variables, x, key)
            kept = _put(now.forward, memory.kept, self.ring, kept)
            memory = memory._replace(kept=kept)
            if self.loss:
                outputs = _put(now.forward, memory.returned, self.ring, y)
                memory = memory._replace(returned=outputs)
            return memory, y

        return jax.lax.cond(
            now.forward >= 0, run, lambda memory: (memory, _zeros(self.shapes.y)), memory
        )

    def backward(self, memory: Memory, now: Now, data: Data) -> tuple[Memory, Tree, jax.Array]:
        """The backward pass of this clock, if there is one: errors and loss, and the loss again."""

        def run(memory):
            error, value = self._errors(memory, now, data)
            kept = _take(now.backward, memory.kept, self.ring)
            key = read_key(data.key, data.before + now.backward)
            gradients, factors, sent = backward(
                self.stage, memory.params, memory.variables, kept, error, key
            )
            place = now.backward % self.parts
            summed = jax.tree.map(
                lambda so_far, new: jnp.where(place == 0, new, so_far + new),
                memory.summed,
                (gradients, value),
            )
            factors = _put(place, memory.factors, self.parts, factors)
            memory = memory._replace(summed=summed, factors=factors)
            memory = jax.lax.cond(place == self.parts - 1, self._learn, lambda same: same, memory)
            return memory, (sent, value), value

        def rest(memory):
            return memory, _zeros(self.shapes.returned), jnp.zeros((), jnp.float32)

        return jax.lax.cond(now.backward >= 0, run, rest, memory)

    def _errors(self, memory: Memory, now: Now, data: Data) -> tuple[jax.Array, jax.Array]:
        """The errors at the outputs of the stage, and the loss."""
        returned = _take(now.backward, memory.returned, self.ring)
        if self.loss is None:
            return returned
        value, error = jax.value_and_grad(self.loss)(returned, data.y[now.backward])
        return error / self.parts, value.astype(jnp.float32)

    def _learn(self, memory: Memory) -> Memory:
        gradients, value = memory.summed
        params, opt_state = update(
            self.rule,
            memory.params,
            memory.opt_state,
            gradients,
            memory.factors,
            value / self.parts,
        )
        return memory._replace(params=params, opt_state=opt_state)


def _zeros(shapes: Tree, *places: int) -> Tree:
    return jax.tree.map(lambda leaf: jnp.zeros((*places, *leaf.shape), leaf.dtype), shapes)


def _put(number, ring: Tree, places: int, value: Tree) -> Tree:
    return jax.tree.map(lambda row, leaf: row.at[number % places].set(leaf), ring, value)


def _put_if(number, ring: Tree, places: int, value: Tree) -> Tree:
    return jax.lax.cond(
        number >= 0, lambda ring: _put(number, ring, places, value), lambda ring: ring, ring
    )


def _take(number, ring: Tree, places: int) -> Tree:
    return jax.tree.map(lambda row: row[number % places], ring)
