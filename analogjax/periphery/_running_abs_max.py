"""The running mean that inputs can be scaled by, kept by the caller."""

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import is_concrete


def running_abs_max(
    mean: jax.Array | float, x: jax.Array, decay: float = 1e-3
) -> tuple[jax.Array, jax.Array]:
    r"""The scale of each vector for the noise management ``"average_abs_max"``.

    .. math:: a_k = (1 - decay)\, a_{k-1} + decay \max_j |x_{kj}|

    vector by vector in order, from the mean that the last mini-batch has left; a mean that is
    negative has seen no vector yet, and becomes that of the first one.

    Args:
      mean: running mean, a scalar in units of the inputs; -1 to begin with.
      x: inputs, ``(..., in)``.
      decay: share of each new vector, from 0 to 1.

    Returns:
      The mean to keep, and the scale of each vector, ``(...)``, for ``mvm(..., input_scale=)``.

    Raises:
      ValueError: if ``decay`` does not lie between 0 and 1.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.periphery import AnalogIO, mvm, running_abs_max
      >>> io = AnalogIO(noise_management="average_abs_max")
      >>> x, w = jnp.ones((2, 3)), jnp.ones((3, 1))
      >>> mean, scale = running_abs_max(-1.0, x)
      >>> mvm(jax.random.key(0), x, w, io, input_scale=scale).shape
      (2, 1)
    """
    if is_concrete(decay) and not 0 <= np.asarray(decay) <= 1:
        raise ValueError(f"decay is the share of each new vector, between 0 and 1, got {decay}.")
    largest, decay = jnp.max(jnp.abs(x), axis=-1).astype(jnp.float32), jnp.float32(decay)

    def step(mean, new):
        mean = jnp.where(mean < 0, new, (1 - decay) * mean + decay * new)
        return mean, mean

    last, scales = jax.lax.scan(step, jnp.asarray(mean, jnp.float32), largest.reshape(-1))
    return last, scales.reshape(largest.shape)
