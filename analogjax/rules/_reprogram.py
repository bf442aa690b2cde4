"""Programming other weights onto the arrays of a training that goes on."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from analogjax.rules._base import AnalogState


def reprogram(rule: optax.GradientTransformation, state: Any, params: Any) -> Any:
    """The state of a rule with other weights on its arrays, as if it had started with these.

    The crosspoints are the same devices (those of the rule's key), with the new weights programmed
    as by ``rule.init``: on the most significant tile, the others and all buffers empty. The count
    of steps, the key, the warm start and everything digital around the rule go on.

    Args:
      rule: the rule, alone or within wrappers such as ``optax.partition``.
      state: its state.
      params: the new parameters, of the shapes it was made for.

    Returns:
      The new state. Feed it with the same parameters.

    Raises:
      ValueError: if the parameters do not fit the state.

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> rule = analogjax.analog_sgd(0.1, SoftBounds.with_states(10), key=0)
      >>> state = rule.init({"w": jnp.zeros((2, 2))})
      >>> state = analogjax.reprogram(rule, state, {"w": jnp.full((2, 2), 0.25)})
      >>> state.weights["w"].tiles[0].w.tolist()
      [[0.25, 0.25], [0.25, 0.25]]
    """

    def is_analog(node):
        return isinstance(node, AnalogState)

    def take_over(old, new):
        return old._replace(weights=new.weights) if is_analog(old) else old

    fresh = rule.init(params)
    shapes = [jax.tree.map(jnp.shape, tree) for tree in (state, fresh)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "The parameters do not fit the state: reprogram needs a tree of the same names and "
            "shapes as the state was made for, and the rule that made it."
        )
    return jax.tree.map(take_over, state, fresh, is_leaf=is_analog)
