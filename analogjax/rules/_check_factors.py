"""Whether factors are those of a gradient."""

import jax
import numpy as np

from analogjax.devices import is_concrete
from analogjax.rules._paths import leaf_name
from analogjax.rules._signal import Signal
from analogjax.rules._signals import calls_of, pairs_by_name, signal_of


def check_factors(grads, factors, *, rtol: float = 0.01) -> None:
    r"""Raises an error unless the factors of each parameter sum to its gradient.

    A rule that is given factors sends :math:`\sum_b x_b \delta_b^T`. That is the gradient of a
    kernel only if all that the loss makes of it goes through its layer, and through taps of its
    own: an L2 term, a tied use of the transposed kernel, or the same taps in two calls of
    ``apply`` train another network than the loss says, and nothing else would tell. Call it once,
    outside of ``jit``, with the first gradients of a new model or loss.

    Args:
      grads: gradients by the parameters; those without factors are passed over.
      factors: as a rule's ``update`` takes them.
      rtol: how far apart both may be, as a share of the larger of their norms; the rounding of
        sums is allowed for beside.

    Raises:
      ValueError: if factors and gradient of a parameter differ or do not fit each other, or if
        there are factors of no parameter in ``grads``.
      TypeError: if they are being traced, as under ``jit``.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.rules import check_factors
      >>> x, d = jnp.ones((4, 2)), jnp.ones((4, 3))
      >>> check_factors({"kernel": x.T @ d}, {"kernel": (x, d)})
      >>> check_factors({"kernel": x.T @ d + 1}, {"kernel": (x, d)})
      Traceback (most recent call last):
      ...
      ValueError: The factors of 'kernel' sum to something else than its gradient, by 20.0 % of...
    """
    if not all(map(is_concrete, jax.tree.leaves((grads, factors)))):
        raise TypeError("check_factors looks at numbers: call it outside of jit and grad.")
    pairs = pairs_by_name(factors)
    gradients = {
        leaf_name(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(grads)[0]
    }
    calls = {name: calls_of(name, pairs) for name in gradients}
    known = {path for own in calls.values() for path in own}
    for path in pairs:
        if path not in known:
            raise ValueError(
                f"There are factors of '{path}', but no gradient of it (there are those of "
                f"{sorted(gradients)}): give the factors without the outer key of a collection."
            )
    for name in filter(calls.get, gradients):
        far = _distance(signal_of(name, gradients[name], calls[name]), rtol)
        if not far <= rtol:
            raise ValueError(
                f"The factors of '{name}' sum to something else than its gradient, by "
                f"{100 * far:.1f} % of its norm: the loss uses the kernel beside the product of "
                f"its layer (an L2 term, a factor, a transposed use, a slope), or one tap "
                f"takes several calls (the same taps in two calls of apply, or apply in a loop). "
                f"Make it a layer's only use, with a tap for each call, or leave factors out."
            )


def _distance(signal: Signal, rtol: float) -> float:
    """How far factors are from their gradient, relative to both, less what rounding can do."""
    gradient = np.asarray(signal.gradient, np.float64)
    assert signal.factors is not None
    x, d = (np.asarray(part, np.float64) for part in signal.factors)
    groups = gradient.shape[1] // d.shape[1]
    x, d = (part.reshape(-1, groups, part.shape[1]) for part in (x, d))
    sums = np.einsum("bgi,bgo->igo", x, d, optimize=True).reshape(gradient.shape)
    rounding = 1e-6 * np.sum(np.linalg.norm(x, axis=2) * np.linalg.norm(d, axis=2))
    norm = max(np.linalg.norm(gradient), np.linalg.norm(sums), rounding / rtol)
    return float(np.linalg.norm(sums - gradient) / norm) if norm else 0.0
