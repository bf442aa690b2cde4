"""A network whose weights are on arrays: programming it, and reading it at some time."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.inference._noise_model import NoiseModel
from analogjax.inference._select import Labels, analog_weights, replace_weights
from analogjax.nn import labels
from analogjax.rules import leaf_address, leaf_name


class Deployment(NamedTuple):
    r"""A network on arrays; each weight matrix is :math:`W = \sum_n s_n W_n` of its arrays.

    Attributes:
      params: the parameters that were asked for; the digital ones count as they are.
      arrays: what a noise model keeps of the arrays of each weight, by the parameter's path.
      scales: significance :math:`s_n` of these arrays, ``(arrays,)``, likewise.
    """

    params: Any
    arrays: dict[str, tuple[Any, ...]]
    scales: dict[str, jax.Array]

    def labels(self, params: Any) -> Any:
        """Labels the parameters that are on arrays "analog", all others "digital"."""
        return jax.tree_util.tree_map_with_path(
            lambda path, _: "analog" if leaf_name(path) in self.arrays else "digital", params
        )


def program(
    key: jax.Array,
    noise: NoiseModel,
    params: Any,
    *,
    param_labels: Labels = labels,
    w_max: float | Mapping[str, float] | None = None,
) -> Deployment:
    """Programs the weights of a trained network, each matrix onto one array.

    Draws are addressed by the parameter's path, so that another layer changes none of them.

    Args:
      key: a PRNG key.
      noise: how the arrays hold their weights.
      params: a parameter tree, of linen or of nnx.
      param_labels: from the parameters to a tree of "analog" and "digital", as
        :func:`analogjax.nn.labels`, the default.
      w_max: the weight at the largest conductance, for all matrices or by path, beyond which
        weights are clipped; by default, and for paths it lacks, each matrix's largest ``|w|``.

    Returns:
      The network on arrays, to be read at any time with :func:`read`.

    Raises:
      ValueError: if nothing is analog, a label is unknown, ``w_max`` names no analog parameter or
        is not positive, or a field of ``noise`` is out of its range.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.inference import PCMNoise, program, read
      >>> params = {"Dense_0": {"kernel": jnp.full((3, 2), 0.5), "bias": jnp.ones(2)}}
      >>> noise = PCMNoise()
      >>> deployed = program(jax.random.key(0), noise, params)
      >>> later = read(jax.random.key(1), noise, deployed, 3600.0)
      >>> bool((later["Dense_0"]["kernel"] != 0.5).all()), later["Dense_0"]["bias"].tolist()
      (True, [1.0, 1.0])
    """
    weights = analog_weights(params, param_labels)
    limits = w_max if isinstance(w_max, Mapping) else dict.fromkeys(weights, w_max)
    for name in limits:
        if name not in weights:
            raise ValueError(f"w_max names '{name}', but the analog weights are {[*weights]}.")
    arrays = {
        name: (
            noise.program(
                jax.random.fold_in(jax.random.fold_in(key, leaf_address(name)), 0),
                jnp.asarray(w, jnp.float32),
                limits.get(name),
            ),
        )
        for name, w in weights.items()
    }
    return Deployment(params, arrays, {name: jnp.ones(1) for name in weights})


def read(key: jax.Array, noise: NoiseModel, deployed: Deployment, t) -> Any:
    r"""The parameters as they are at some time, :math:`W(t) = \sum_n s_n W_n(t)`.

    Args:
      key: a PRNG key, for the noise of this read.
      noise: the model that the arrays were programmed with.
      deployed: the network on arrays.
      t: seconds since the end of programming, one number of at least 0.

    Returns:
      A tree like ``deployed.params``.

    Raises:
      ValueError: if the time is negative, not finite or not one number.
      TypeError: if the arrays were programmed by another kind of model.

    Example:
      >>> import jax
      >>> from analogjax.devices import PowerLawDrift
      >>> from analogjax.inference import DriftOnly, program, read
      >>> noise = DriftOnly(drift=PowerLawDrift(nu=0.5, nu_dtod=0.0))
      >>> params = {"kernel": jax.numpy.full((2, 1), 0.5)}
      >>> deployed = program(jax.random.key(0), noise, params)
      >>> read(jax.random.key(1), noise, deployed, 3.0)["kernel"].round(2).tolist()
      [[0.25], [0.25]]
    """
    if np.ndim(t) != 0:
        raise ValueError(
            f"t must be one number, got an array of shape {np.shape(t)}: read once for each time."
        )
    weights = {}
    for name, arrays in deployed.arrays.items():
        own_key = jax.random.fold_in(key, leaf_address(name))
        parts = [
            scale * noise.read(jax.random.fold_in(own_key, n), array, t)
            for n, (scale, array) in enumerate(zip(deployed.scales[name], arrays, strict=True))
        ]
        weights[name] = sum(parts[1:], start=parts[0])
    return replace_weights(deployed.params, weights)
