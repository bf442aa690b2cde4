"""What a run has counted on its tiles."""

from typing import Any, NamedTuple

import numpy as np

from analogjax.rules import tile_stacks


class Counters(NamedTuple):
    """What the tiles of one matrix were sent since the start, ``(..., tiles)`` each.

    Tile 0 is the most significant one, the last takes the gradient.

    Attributes:
      pulses: pulses that its crosspoints received, up and down together.
      slots: slots of the pulse trains on its lines; a train without an end, as under
        ``ExpectedPulses``, has none, nor has a gradient sent without its factors.
      reads: lines that were read for transfers.
    """

    pulses: np.ndarray
    slots: np.ndarray
    reads: np.ndarray


def counters_of(opt_state: Any) -> dict[str, Counters]:
    """What was counted, by the path of each matrix.

    Args:
      opt_state: the state of a rule, alone or within wrappers such as ``optax.partition``; of
        several seeds at once, too.

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.cost import counters_of
      >>> from analogjax.devices import ConstantStep
      >>> rule = analogjax.analog_sgd(0.3, ConstantStep(dw_min=0.1).without_variation(), key=0)
      >>> params, x = {"kernel": jnp.zeros((2, 1))}, jnp.array([[1.0, 0.0]])
      >>> state, d = rule.init(params), jnp.ones((1, 1))
      >>> _, state = rule.update(
      ...     {"kernel": x.T @ d}, state, params, factors={"kernel": (x, d)})
      >>> counters_of(state)["kernel"].slots.tolist()
      [3.0]
    """
    return {
        name: Counters(
            stack.pulses.exact().sum(-1), stack.trains.exact()[..., 2], stack.reads.exact()
        )
        for name, stack in tile_stacks(opt_state).items()
    }
