"""From a rule for one weight matrix to an optax gradient transformation."""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax

from analogjax.devices import is_concrete
from analogjax.pulses import in_single
from analogjax.rules._alike import map_alike
from analogjax.rules._checks import (
    as_key,
    check_finite,
    check_key,
    check_rate,
    check_warm_start,
    is_finite,
    is_sound,
    matrix_shape,
)
from analogjax.rules._paths import leaf_address, leaf_name
from analogjax.rules._signal import Signal
from analogjax.rules._signals import pairs_by_name, signal_of
from analogjax.rules._warm_start import WarmStart
from analogjax.tiles import Tile


class MatrixRule(Protocol):
    """How one weight matrix is held on tiles and learns.

    Attributes:
      num_keys: how many PRNG keys a step takes.
    """

    @property
    def num_keys(self) -> int: ...

    def init(self, key: jax.Array, w: jax.Array) -> Any:
        """The state that holds ``w``, ``(in, out)``."""

    def step(self, keys: jax.Array, state: Any, signal: Signal, learning_rate, count, stage) -> Any:
        """The state after one mini-batch.

        Args:
          keys: PRNG keys for this matrix and step, ``(num_keys,)``.
          state: the state before.
          signal: what the mini-batch says of this matrix.
          learning_rate: weight change per unit of gradient.
          count: number of steps made before this one, int32.
          stage: stage of the warm start, int32, or None if there is none.
        """

    def effective(self, state: Any) -> jax.Array:
        """The weight matrix the state stands for, ``(in, out)``."""


class AnalogState(NamedTuple):
    """State of an analog rule. The weights on the tiles are the truth; parameters follow them.

    Attributes:
      count: number of steps made, int32.
      key: root PRNG key; never consumed. Draws are addressed by parameter, step and tile, so
        that adding a layer changes no draw of another.
      warm_start: state of the warm start; empty if there is none.
      weights: what the rule keeps for each weight matrix, by the parameter's path.
    """

    count: jax.Array  # type: ignore[assignment]
    key: jax.Array
    warm_start: Any
    weights: dict[str, Any]


def analog_transformation(
    learning_rate: optax.ScalarOrSchedule,
    rule: MatrixRule,
    *,
    key: jax.Array | int,
    warm_start: WarmStart | None = None,
    use_factors: bool = True,
) -> optax.GradientTransformationExtraArgs:
    """Makes a gradient transformation of a rule for one matrix.

    Its ``update`` takes ``value`` (the loss, for a warm start that needs it) and ``factors`` (a
    tree with a :class:`Factors` at the path of each parameter, or a tuple of them, one for each
    use of the parameter) as optional extra arguments, and ignores any other. It emits
    ``W(new tiles) - params``, so that the parameters follow the tiles whatever happened to them
    in between. Called outside of ``jit`` it is compiled once, and says so at once if a signal is
    not finite.

    Args:
      learning_rate: weight change per unit of gradient, a number or a schedule.
      rule: what to do with each matrix.
      key: PRNG key or seed.
      warm_start: how the stages of a warm start follow each other, or None.
      use_factors: whether the rule looks at the factors, or at the gradient alone.

    Returns:
      An optax gradient transformation, whose state is an :class:`AnalogState`.

    Raises:
      ValueError: if the learning rate is negative; by ``update``, for trees, states and factors
        that do not fit or are not finite, and for a schedule that gives such a rate.
      TypeError: if the learning rate is no number, the key none or the warm start none; by
        ``update``, for factors of another name.

    Example:
      >>> import dataclasses
      >>> import jax.numpy as jnp
      >>> from analogjax.devices import Device, SoftBounds
      >>> from analogjax.pulses import ExpectedPulses
      >>> from analogjax.rules import analog_transformation
      >>> from analogjax.tiles import program_tile, weight
      >>> @dataclasses.dataclass(frozen=True)
      ... class OneTile:
      ...     device: Device
      ...     num_keys = 1
      ...     def init(self, key, w):
      ...         return program_tile(key, self.device, w)
      ...     def step(self, keys, tile, signal, learning_rate, count, stage):
      ...         sent = signal.send(ExpectedPulses(), keys[0], self.device, tile, learning_rate)
      ...         return tile._replace(w=sent.w)
      ...     def effective(self, tile):
      ...         return weight(tile)
      >>> device = SoftBounds.with_states(100).without_variation()
      >>> rule = analog_transformation(0.1, OneTile(device), key=0)
      >>> params = {"kernel": jnp.full((1, 1), 0.5)}
      >>> updates, state = rule.update(params, rule.init(params), params)
      >>> round(updates["kernel"].item(), 4)  # -0.1 * 0.5 * (1 + 0.5)
      -0.075
    """
    check_rate("learning_rate", learning_rate)
    check_warm_start(warm_start)
    check_key(key)

    @in_single
    def init_fn(params):
        root = jax.tree.map(jnp.copy, as_key(key))  # Its own, so that a state can be donated.
        weights = _programmed(rule, jax.random.fold_in(root, 0), params)
        stages = () if warm_start is None else warm_start.init()
        return AnalogState(jnp.zeros((), jnp.int32), root, stages, weights)

    def update_all(updates, state, params, value, factors):
        """The updates in float32, the new state, whether each signal is finite, and the rate."""
        stages, stage = state.warm_start, None
        if warm_start is not None:
            stages, stage = warm_start.advance(stages, state.count, value)
        rate = learning_rate(state.count) if callable(learning_rate) else learning_rate
        valid = is_sound(rule, state.count) & ~jnp.isnan(check_rate("learning_rate", rate))
        count = optax.safe_increment(state.count)
        signals = _signals(updates, factors)
        _check_states(rule, state, signals, jax.tree.leaves(updates))
        if not use_factors:
            signals = {name: signal._replace(factors=None) for name, signal in signals.items()}
        keys = _step_keys(jax.random.fold_in(state.key, count), [*signals], rule.num_keys)

        def step(matrix):
            own_keys, own_state, signal = matrix
            own_state = rule.step(own_keys, own_state, signal, rate, state.count, stage)
            return own_state, rule.effective(own_state)

        states = [state.weights[name] for name in signals]
        stepped = map_alike(step, list(zip(keys, states, signals.values(), strict=True)))
        weights = {name: own for name, (own, _) in zip(signals, stepped, strict=True)}
        finite = {name: is_finite(signal) for name, signal in signals.items()}
        # Pulse counts of a NaN are silently zero, so that a broken loss would look like a network
        # that merely stops learning.
        new = [
            _change(param, w) + jnp.where(fine & valid, 0.0, jnp.nan)
            for param, (_, w), fine in zip(
                jax.tree.leaves(params), stepped, finite.values(), strict=True
            )
        ]
        state = AnalogState(count, state.key, stages, weights)
        return jax.tree.unflatten(jax.tree.structure(updates), new), state, finite, rate

    compiled = jax.jit(update_all)

    def update_fn(updates, state, params=None, *, value=None, factors=None, **extra_args):
        wrong = extra_args.keys() & {"factor", "taps"}
        if wrong:
            raise TypeError(f"An analog rule takes factors=, got {wrong.pop()}=.")
        if params is None:
            raise ValueError(
                "An analog rule needs the parameters: call update(grads, state, params)."
            )
        given = updates, state, params, value, factors
        traced = not all(map(is_concrete, jax.tree.leaves(given)))
        new, state, finite, rate = in_single(update_all if traced else compiled)(*given)
        check_rate("learning_rate", rate)
        check_finite(finite)
        return jax.tree.map(lambda new, old: new.astype(old.dtype), new, updates), state

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def _programmed(rule: MatrixRule, key, params) -> dict[str, Any]:
    """What the rule keeps for each parameter, by its path."""
    weights: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        name = leaf_name(path)
        if name in weights:
            raise ValueError(f"Two parameters have the path '{name}': rename one of them.")
        shape = matrix_shape(name, leaf)
        w = jnp.asarray(leaf, jnp.float32).reshape(shape)
        weights[name] = rule.init(jax.random.fold_in(key, leaf_address(name)), w)
    return weights


def _signals(updates, factors) -> dict[str, Signal]:
    """What the mini-batch says of each parameter, by its path."""
    pairs = None if factors is None else pairs_by_name(factors)
    leaves = jax.tree_util.tree_flatten_with_path(updates)[0]
    return {leaf_name(path): signal_of(leaf_name(path), leaf, pairs) for path, leaf in leaves}


def _change(param: jax.Array, w: jax.Array) -> jax.Array:
    """What leads from a parameter to the matrix that its tiles stand for."""
    return w.reshape(param.shape) - param.astype(jnp.float32)


def _check_states(rule: MatrixRule, state: AnalogState, signals, gradients: list) -> None:
    """Raises a ValueError if the state was made for other parameters, or by another rule."""
    names = [*signals]
    if sorted(names) != sorted(state.weights):
        raise ValueError(
            f"The state was made for the parameters {[*state.weights]}, but update was given "
            f"{names}: give init and update the same tree."
        )
    outlines: dict[tuple[int, int], Any] = {}
    for name, gradient in zip(names, gradients, strict=True):
        shape = matrix_shape(name, gradient)
        if shape not in outlines:
            w = jax.ShapeDtypeStruct(shape, jnp.float32)
            outlines[shape] = _outline(jax.eval_shape(rule.init, state.key, w))
        tree, shapes = _outline(state.weights[name])
        own = tree == outlines[shape][0]
        made_for = jax.eval_shape(rule.effective, state.weights[name]).shape if own else shape
        if made_for != shape:
            raise ValueError(
                f"The state of '{name}' was made for a matrix of shape {made_for}, but its "
                f"gradient has the shape {gradient.shape}: make a new state with init."
            )
        if not own or shapes != outlines[shape][1]:
            raise ValueError(
                f"The state of '{name}' was made by a rule of other settings, such as another "
                f"number of tiles: update with the rule that made it, or make a new state with "
                f"init."
            )


def _outline(state) -> tuple[Any, list[tuple[int, ...]]]:
    """The tree and the shapes of a state, but for the constants of its crosspoints."""
    # What spreads are zero may be known to init and not to an update that is traced.
    weights = jax.tree.map(
        lambda node: node.w if isinstance(node, Tile) else node,
        state,
        is_leaf=lambda node: isinstance(node, Tile),
    )
    leaves, tree = jax.tree.flatten(weights)
    return tree, [jnp.shape(leaf) for leaf in leaves]


def _step_keys(key, names: list[str], num_keys: int) -> list[jax.Array]:
    """The keys of each matrix, ``(num_keys,)``."""
    addresses = np.array([leaf_address(name) for name in names], np.uint32)
    leaf_keys = jax.vmap(jax.random.fold_in, (None, 0))(key, addresses)
    # One by one: XLA compiles a small loop to one kernel on a CPU, but not that of all of them.
    return [jax.random.split(leaf_key, num_keys) for leaf_key in leaf_keys]
