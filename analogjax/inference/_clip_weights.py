"""Keeping weights within a range that conductances can use well."""

import jax
import jax.numpy as jnp
import optax

from analogjax.devices import check_positive


def clip_weights(
    *, num_stds: float | jax.Array | None = None, bound: float | jax.Array | None = None
) -> optax.GradientTransformation:
    r"""Changes updates such that every matrix ends up clipped.

    .. math:: u \leftarrow clip(p + u, -c, c) - p, \qquad c = num\_stds \cdot std(p + u)

    or c the given bound. One large weight makes all others small conductances, whose relative
    errors are large; clipping at two or three standard deviations spreads the weights over the
    range. Put it last in an ``optax.chain``. Parameters with fewer than two axes pass unchanged;
    leave out others with ``optax.masked`` or ``optax.partition``. The parameters are within the
    bound to the rounding of their type; updates of a narrower one become of theirs.

    Args:
      num_stds: the bound in standard deviations of each matrix.
      bound: the bound itself, in units of the weight.

    Returns:
      An optax gradient transformation without state.

    Raises:
      ValueError: unless exactly one bound is given, and positive; by ``update``, without params.

    Reference: Joshi et al., "Accurate deep neural network inference using computational
    phase-change memory", Nat. Commun. 11:2473 (2020).

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from analogjax.inference import clip_weights
      >>> optimizer = optax.chain(optax.sgd(1.0), clip_weights(bound=0.5))
      >>> params = {"kernel": jnp.array([[0.25, 0.0]])}
      >>> grads = {"kernel": jnp.array([[-1.0, 0.25]])}
      >>> updates, _ = optimizer.update(grads, optimizer.init(params), params)
      >>> optax.apply_updates(params, updates)["kernel"].tolist()
      [[0.5, -0.25]]
    """
    if (num_stds is None) == (bound is None):
        raise ValueError(
            f"Give either num_stds or bound, got num_stds={num_stds} and bound={bound}."
        )
    name, factor = ("bound", bound) if bound is not None else ("num_stds", num_stds)
    check_positive(name, factor)

    def clipped(update, param):
        if param.ndim < 2:
            return update
        own = jnp.promote_types(update.dtype, param.dtype)
        wide = jnp.promote_types(own, jnp.float32)
        new = param.astype(wide) + update
        limit = jnp.asarray(factor) * (jnp.std(new) if bound is None else 1.0)
        return (jnp.clip(new, -limit, limit) - param).astype(own)

    def update_fn(updates, state, params=None):
        if params is None:
            raise ValueError(
                "clip_weights needs the parameters: call update(grads, state, params)."
            )
        return jax.tree.map(clipped, updates, params), state

    return optax.GradientTransformation(optax.init_empty_state, update_fn)
