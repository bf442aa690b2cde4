"""The product that nothing disturbs."""

import jax


def matrix_product(x: jax.Array, w: jax.Array) -> jax.Array:
    """``x @ w`` of inputs ``(..., in)``, computed as one product of matrices.

    On a CPU the gradients of a product take a third longer where x has more axes.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.periphery import matrix_product
      >>> matrix_product(jnp.ones((5, 2, 3)), jnp.ones((3, 4))).shape
      (5, 2, 4)
    """
    return (x.reshape(-1, x.shape[-1]) @ w).reshape(*x.shape[:-1], w.shape[-1])
