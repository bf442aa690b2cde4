"""A training state for linen models that passes on what a rule wants to know."""

import optax
from flax.training import train_state


class TrainState(train_state.TrainState):
    """Flax's training state, whose ``apply_gradients`` hands extra arguments to the optimizer.

    Flax's own treats them as fields to replace, so that ``value=`` and ``factors=`` cannot reach
    a rule through it.

    Example:
      >>> import jax.numpy as jnp
      >>> import analogjax
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.nn import linen as ann
      >>> rule = analogjax.analog_sgd(0.1, SoftBounds.with_states(10), key=0)
      >>> params = {"kernel": jnp.zeros((2, 3))}
      >>> state = ann.TrainState.create(apply_fn=None, params=params, tx=rule)
      >>> state = state.apply_gradients(grads=params, value=jnp.float32(1.0))
      >>> int(state.step)
      1
    """

    def apply_gradients(self, *, grads, **extra_args):
        """The state after one step; ``extra_args`` go to the optimizer's ``update``."""
        updates, opt_state = self.tx.update(grads, self.opt_state, self.params, **extra_args)
        params = optax.apply_updates(self.params, updates)
        return self.replace(step=self.step + 1, params=params, opt_state=opt_state)
