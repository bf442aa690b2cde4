"""Global drift compensation: one digital scale for each matrix."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from analogjax.inference._select import Labels, analog_weights, leaves_by_name, replace_weights
from analogjax.nn import labels
from analogjax.periphery import AnalogIO, mvm
from analogjax.rules import leaf_address


class Response(NamedTuple):
    """What an array answered when it was new.

    Attributes:
      total: summed magnitude of its outputs, in units of the weight.
      w_max: its largest ``|w|``, by which weights are normalised in reads through converters.
    """

    total: jax.Array
    w_max: jax.Array


def responses(
    key: jax.Array | None,
    params: Any,
    *,
    param_labels: Labels = labels,
    io: AnalogIO | None = None,
) -> dict[str, Response]:
    r"""How strongly each array answers one unit of input on each line, one line after another.

    .. math:: R = \sum_j \sum_i |(e_j^T W)_i|

    Args:
      key: a PRNG key; not used by perfect reads.
      params: the parameters as they are at the time of the reference, from :func:`read`.
      param_labels: from the parameters to a tree of "analog" and "digital".
      io: the converters of the reads, at which weights are in units of the largest; perfect by
        default. One array is one matrix ``(in, out)``, all leading axes of the weight its inputs.

    Returns:
      The response of each matrix, by the parameter's path.

    Raises:
      ValueError: if nothing is analog, or a label is unknown.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.inference import responses
      >>> params = {"kernel": jnp.array([[0.5, -1.0], [0.25, 0.75]])}
      >>> responses(None, params)["kernel"].total.item()
      2.5
    """
    found = {}
    for name, w in analog_weights(params, param_labels).items():
        w_max = jnp.abs(w).max()
        found[name] = Response(_total(_key(key, name), w, w_max, io), w_max)
    return found


def compensate(
    key: jax.Array | None,
    params: Any,
    reference: dict[str, Response],
    *,
    io: AnalogIO | None = None,
) -> Any:
    r"""The parameters with each drifted matrix scaled back to its response when it was new.

    .. math:: W \leftarrow \frac{R(0)}{R(t)} W

    In hardware the factor is digital and multiplies the outputs of the array. It restores what
    all devices have lost alike, and nothing of what makes them differ. Through converters, the
    noise of the reads adds to the magnitudes in R(t) and does not fade with the weights, so that
    the less is restored the weaker these are: with the default :class:`AnalogIO` about 0.8 of the
    scale of a matrix of normal weights that have faded to 0.3.

    Args:
      key: a PRNG key; not used by perfect reads.
      params: the parameters as they are now, from :func:`read`.
      reference: from :func:`responses`; matrices it lacks are left alone.
      io: the converters of the reads, as for the reference.

    Returns:
      A tree like ``params``.

    Raises:
      ValueError: if the reference names a matrix that the parameters lack.

    Reference: Le Gallo et al., "Collective structural relaxation in phase-change memory devices",
    Adv. Electron. Mater. 4:1700627 (2018); Joshi et al., Nat. Commun. 11:2473 (2020).

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax.inference import compensate, responses
      >>> new = {"kernel": jnp.array([[0.5, -1.0], [0.25, 0.75]])}
      >>> faded = {"kernel": 0.5 * new["kernel"]}
      >>> compensate(None, faded, responses(None, new))["kernel"].tolist()
      [[0.5, -1.0], [0.25, 0.75]]
    """
    leaves = leaves_by_name(params)
    scaled = {}
    for name, new in reference.items():
        if name not in leaves:
            raise ValueError(f"The reference has '{name}', but the parameters are {[*leaves]}.")
        w = leaves[name]
        now = _total(_key(key, name), w, new.w_max, io)
        scaled[name] = w * jnp.where(now > 0, new.total / jnp.where(now > 0, now, 1.0), 1.0)
    return replace_weights(params, scaled)


def _total(key, w: jax.Array, w_max: jax.Array, io: AnalogIO | None) -> jax.Array:
    """The summed magnitude of the response; without converters that of the weights themselves."""
    if io is None:
        return jnp.abs(w).sum(dtype=jnp.float32)
    scale = jnp.where(w_max > 0, w_max, 1.0).astype(jnp.float32)
    matrix = w.reshape(-1, w.shape[-1]) / scale
    return scale * jnp.abs(mvm(key, jnp.eye(len(matrix), dtype=matrix.dtype), matrix, io)).sum()


def _key(key: jax.Array | None, name: str) -> jax.Array | None:
    return None if key is None else jax.random.fold_in(key, leaf_address(name))
