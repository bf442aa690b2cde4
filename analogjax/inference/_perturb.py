"""Weight noise in the forward pass, for training that is aware of it."""

from typing import Any

import jax
import jax.numpy as jnp

from analogjax.devices import check_at_least_0, draw_normal
from analogjax.inference._select import Labels, analog_weights, replace_weights
from analogjax.nn import labels
from analogjax.rules import leaf_address


def perturb(key: jax.Array, params: Any, std, *, param_labels: Labels = labels) -> Any:
    r"""The parameters with noise on every analog weight, relative to its matrix's largest.

    .. math:: W \leftarrow W + std\, \max|W|\, \xi

    Call it in the loss, with a new key each step, and the network learns weights that stand such
    noise. The gradient is that of the weights without it, taken at the noisy ones.

    Args:
      key: a PRNG key.
      params: a parameter tree, of linen or of nnx.
      std: standard deviation of the noise in units of the largest ``|w|`` of each matrix; about
        0.04 for the programming error of phase-change memory.
      param_labels: from the parameters to a tree of "analog" and "digital".

    Returns:
      A tree like ``params``.

    Raises:
      ValueError: if ``std`` is negative, nothing is analog or a label is unknown.

    Reference: Joshi et al., "Accurate deep neural network inference using computational
    phase-change memory", Nat. Commun. 11:2473 (2020).

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.inference import perturb
      >>> params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
      >>> loss = lambda params: (perturb(jax.random.key(0), params, 0.1)["kernel"] ** 2).sum() / 2
      >>> jax.grad(loss)(params)["kernel"].round(1).shape
      (2, 2)
    """
    check_at_least_0("std", std)
    noisy = {}
    for name, w in analog_weights(params, param_labels).items():
        # Normal numbers of bfloat16 are off their mean by a hundredth.
        wide = jnp.promote_types(w.dtype, jnp.float32)
        xi = draw_normal(jax.random.fold_in(key, leaf_address(name)), w.shape, wide)
        noisy[name] = w.astype(wide) + jax.lax.stop_gradient(std * jnp.abs(w).max() * xi)
    return replace_weights(params, noisy)
