"""Training one weight matrix on a gradient that is given as a formula."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from analogjax.pulses import Factors


def train_matrix(
    rule: optax.GradientTransformation,
    w: jax.Array,
    gradient: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]],
    steps: int,
    *,
    key: jax.Array,
    every: int = 1,
    loss: Callable[[jax.Array], jax.Array] | None = None,
) -> tuple[jax.Array, Any]:
    r"""The path of one weight matrix under a rule: theory's problems, without a network around.

    Each step sends the pairs (x, d) whose outer products sum to the gradient,
    :math:`\sum_b x_b d_b^T`. It is one ``lax.scan``, to be jitted or vmapped by the caller.

    Args:
      rule: an update rule, or any other gradient transformation.
      w: the weights to start from, ``(in, out)``.
      gradient: of ``(w, key)``, the pairs ``x, d``, ``(batch, in)`` and ``(batch, out)``.
      steps: how many; a multiple of ``every``.
      key: a PRNG key, for ``gradient``.
      every: after how many steps the weights are recorded.
      loss: of the weights before each step, for rules that look at it, such as
        :class:`analogjax.Plateau`.

    Returns:
      The recorded weights, ``(steps / every, in, out)``, and the rule's last state.

    Raises:
      ValueError: if ``steps`` is not a multiple of ``every``, if ``w`` is not of floating-point
        numbers, or if ``gradient`` does not give such a pair.

    Example:
      >>> import jax, jax.numpy as jnp, optax
      >>> from analogjax.experiments import train_matrix
      >>> def towards_one(w, key):
      ...     return jnp.ones((1, 1)), w - 1.0
      >>> path, _ = train_matrix(
      ...     optax.sgd(0.5), jnp.zeros((1, 1)), towards_one, 3, key=jax.random.key(0)
      ... )
      >>> path.ravel().tolist()
      [0.5, 0.75, 0.875]
    """
    if every < 1 or steps % every:
        raise ValueError(f"steps must be a multiple of every, got {steps} and {every}.")
    if not jnp.issubdtype(w.dtype, jnp.floating):
        raise ValueError(f"w must hold floating-point numbers, got {w.dtype}.")
    given = jax.eval_shape(gradient, w, key)
    shapes = [getattr(part, "shape", None) for part in given] if isinstance(given, tuple) else []
    if [shape[1:] for shape in shapes if shape] != [w.shape[:1], w.shape[1:]]:
        raise ValueError(
            f"gradient must return a pair x (batch, {w.shape[0]}) and d (batch, {w.shape[1]}), got "
            f"{given}."
        )
    rule = optax.with_extra_args_support(rule)

    def step(carry, key):
        params, state = carry
        x, d = gradient(params["w"], key)
        factors = {"w": Factors(x, d)}
        extra = {} if loss is None else {"value": loss(params["w"])}
        updates, state = rule.update({"w": x.T @ d}, state, params, factors=factors, **extra)
        return (optax.apply_updates(params, updates), state), None

    def some_steps(carry, keys):
        carry, _ = jax.lax.scan(step, carry, keys)
        return carry, carry[0]["w"]

    params = {"w": w}
    keys = jax.random.split(key, (steps // every, every))
    (_, state), path = jax.lax.scan(some_steps, (params, rule.init(params)), keys)
    return path, state
