"""Batch statistics of a network on drifted arrays, estimated anew."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

from analogjax.devices import is_concrete, is_zero
from analogjax.inference._select import leaves_by_name
from analogjax.rules import leaf_name

_NOT_UPDATED = "The pass did not update the batch statistics"


def recalibrate(model: nn.Module, variables: Any, batches: jax.Array, **apply_args) -> Any:
    r"""The batch statistics of a linen model under the parameters it has now.

    Each statistic becomes its mean over the calibration batches, whatever the momentum of its
    layer: nothing of the old statistics is left. What flax's ``SpectralNorm`` keeps beside them
    stays as it is.

    Args:
      model: a linen model with a collection ``batch_stats``.
      variables: its variables, with the parameters as they are now and any ``batch_stats``.
      batches: inputs, ``(batches, batch, ...)``; a few hundred samples in all will do.
      **apply_args: what makes ``model.apply`` use and update the statistics of the batch, such as
        ``train=True``, and anything else it takes.

    Returns:
      The new ``batch_stats``.

    Raises:
      ValueError: if there are no batch statistics, no batches, if a pass does not update them, or
        if all variances of a layer are 0, as of batches of one sample; not under ``jax.jit``.

    Reference: Joshi et al., "Accurate deep neural network inference using computational
    phase-change memory", Nat. Commun. 11:2473 (2020).

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from flax import linen as nn
      >>> from analogjax.inference import recalibrate
      >>> class Net(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x, train):
      ...         return nn.BatchNorm(use_running_average=not train)(x)
      >>> x = jnp.array([[[1.0], [3.0]], [[5.0], [7.0]]])
      >>> variables = Net().init(jax.random.key(0), x[0], train=False)
      >>> stats = recalibrate(Net(), variables, x, train=True)
      >>> stats["BatchNorm_0"]["mean"].round(3).tolist()
      [4.0]
    """
    if not jax.tree.leaves(variables.get("batch_stats")):
        raise ValueError("The variables have no batch_stats: there is nothing to recalibrate.")
    _check_batches(batches)
    stats = variables["batch_stats"]
    zeros = _of_averages(jnp.zeros_like, stats, stats)

    def updated(stats, x):
        _, new = model.apply(
            {**variables, "batch_stats": stats}, x, mutable=["batch_stats"], **apply_args
        )
        return new["batch_stats"]

    # A layer gives m s + (1 - m) b for the old statistic s and the batch's b. From s = 0 comes
    # (1 - m) b; a second s, of the size of the result to be exact, tells m.
    first = updated(zeros, batches[0])
    probe = _of_averages(lambda share: 1.0 + jnp.abs(share), stats, first)
    momentum = _of_averages(
        lambda new, share, s: ((new - share) / s).mean(),
        jax.tree.map(lambda _: 0.0, stats),
        updated(probe, batches[0]),
        first,
        probe,
    )
    _check_updates(momentum)
    for name, share in leaves_by_name(first).items():
        if name.endswith("var"):
            _check_variances(f"'{name}'", share)
    shares = jax.lax.map(lambda x: updated(zeros, x), batches)
    return _of_averages(lambda share, m: share.mean(0) / (1.0 - m), stats, shares, momentum)


def _of_averages(fn: Callable, otherwise, *trees):
    """``fn`` of running averages; ``otherwise`` for what flax's SpectralNorm keeps beside them."""

    def own(path, other, *leaves):
        spectral = leaf_name(path).rpartition("/")[-1] in ("u", "sigma")
        return other if spectral else fn(*leaves)

    return jax.tree_util.tree_map_with_path(own, otherwise, *trees)


def recalibrate_nnx(model: nnx.Module, batches: jax.Array) -> None:
    """Estimates the batch statistics of an nnx model under the parameters it has now, in place.

    As :func:`recalibrate`. The model's modes are as before when it is done.

    Args:
      model: an nnx model with ``nnx.BatchNorm`` layers, called with a batch alone.
      batches: inputs, ``(batches, batch, ...)``.

    Raises:
      ValueError: if it has no ``nnx.BatchNorm``, there are no batches, if a pass does not update
        one, as where the call says ``use_running_average``, or if all variances of a layer are 0,
        as of batches of one sample; the statistics are then as before.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from analogjax.inference import recalibrate_nnx
      >>> model = nnx.BatchNorm(1, rngs=nnx.Rngs(0), use_running_average=True)
      >>> recalibrate_nnx(model, jnp.array([[[1.0], [3.0]], [[5.0], [7.0]]]))
      >>> model.mean[...].round(3).tolist(), model.use_running_average
      ([4.0], True)
    """
    norms = [node for _, node in nnx.iter_graph(model) if isinstance(node, nnx.BatchNorm)]
    if not norms:
        raise ValueError("The model has no nnx.BatchNorm: there is nothing to recalibrate.")
    _check_batches(batches)
    before = [(norm.momentum, norm.use_running_average) for norm in norms]
    averages = [(norm.mean[...], norm.var[...]) for norm in norms]
    for norm in norms:
        # No variance is negative: one that stays so was not updated.
        norm.mean[...] = jnp.zeros_like(norm.mean[...])
        norm.var[...] = jnp.full_like(norm.var[...], -1.0)
    try:
        for n, x in enumerate(batches):
            for norm in norms:
                # With n / (n + 1) the running average is the plain mean of all batches so far.
                norm.momentum, norm.use_running_average = n / (n + 1), False
            model(x)
            for norm in norms:
                if is_concrete(norm.var[...]) and (norm.var[...] < 0).any():
                    raise ValueError(
                        f"{_NOT_UPDATED}: let the call of an nnx.BatchNorm leave out "
                        f"use_running_average, which its attribute says, too."
                    )
                _check_variances(f"an nnx.BatchNorm of {norm.num_features} features", norm.var[...])
    except BaseException:
        for norm, (mean, var) in zip(norms, averages, strict=True):
            norm.mean[...], norm.var[...] = mean, var
        raise
    finally:
        for norm, (momentum, average) in zip(norms, before, strict=True):
            norm.momentum, norm.use_running_average = momentum, average


def _check_batches(batches: jax.Array) -> None:
    if jnp.ndim(batches) < 2 or len(batches) == 0:
        raise ValueError(
            f"batches must have the shape (batches, batch, ...), got {jnp.shape(batches)}: stack "
            f"at least one batch."
        )


def _check_variances(name: str, var: jax.Array) -> None:
    """Raises a ValueError if the variances of a layer can be seen to be 0."""
    if is_zero(var):
        raise ValueError(
            f"All variances of {name} are 0: give batches of several samples, of the shape "
            f"(batches, batch, ...), as in x[None] for a single one."
        )


def _check_updates(momentum) -> None:
    """Raises a ValueError if a layer has left its statistics alone."""
    for m in jax.tree.leaves(momentum):
        if not isinstance(m, jax.core.Tracer) and m > 1 - 1e-6:
            raise ValueError(
                f"{_NOT_UPDATED}: give the argument with which the model trains, such as "
                f"train=True."
            )
