"""What becomes of a network in the days and years after it was programmed."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import check_count
from analogjax.inference._check import check_time
from analogjax.inference._compensation import compensate, responses
from analogjax.inference._deployment import Deployment, read
from analogjax.inference._noise_model import NoiseModel
from analogjax.periphery import AnalogIO

# What is drawn by the key of a repetition.
_PROGRAM, _NEW, _READS = range(3)


def accuracy_over_time(
    key: jax.Array,
    noise: NoiseModel,
    deploy: Callable[[jax.Array], Deployment],
    times,
    evaluate: Callable[[Any], jax.Array],
    *,
    repeats: int = 10,
    compensated: bool = False,
    io: AnalogIO | None = None,
) -> jax.Array:
    """A metric of a network at several times after it was put on arrays, several times over.

    All repetitions go side by side, one time after another. The same key gives the same arrays
    and the same noise with and without compensation, and a repetition is the same whatever their
    number.

    Args:
      key: a PRNG key.
      noise: how the arrays hold their weights.
      deploy: from a key to the network on arrays, by :func:`program` or :func:`keep_tiles`.
      times: seconds since the end of programming, ``(times,)``, each at least 0.
      evaluate: from parameters to a number, in JAX; batch statistics are recalibrated in here.
      repeats: how many times to deploy the network.
      compensated: whether each read goes through :func:`compensate`, its reference a read at
        time 0.
      io: the converters of the reads for the compensation; perfect by default.

    Returns:
      The metric, ``(repeats, times)``.

    Raises:
      ValueError: if a time is negative or not finite, the times are not a list of numbers, or
        ``repeats`` is no whole number of at least 1.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.inference import PCMNoise, accuracy_over_time, program
      >>> noise, params = PCMNoise(), {"kernel": jnp.ones((8, 8))}
      >>> mean = accuracy_over_time(
      ...     jax.random.key(0),
      ...     noise,
      ...     lambda key: program(key, noise, params),
      ...     [0.0, 86400.0],
      ...     lambda params: params["kernel"].mean(),
      ...     repeats=3,
      ... )
      >>> mean.shape, bool((mean[:, 1] < 0.8 * mean[:, 0]).all())
      ((3, 2), True)
    """
    check_time(times if isinstance(times, jax.Array) else np.asarray(times))
    times = jnp.asarray(times, jnp.float32)
    if times.ndim != 1 or times.size == 0:
        raise ValueError(f"times must be a list of numbers, got an array of shape {times.shape}.")
    repeats = check_count("repeats", repeats)

    def one(own_key):
        deployed = deploy(jax.random.fold_in(own_key, _PROGRAM))
        key_new, key_reads = (jax.random.fold_in(own_key, n) for n in (_NEW, _READS))
        if compensated:
            new = read(key_new, noise, deployed, 0.0)
            reference = responses(key_new, new, param_labels=deployed.labels, io=io)

        def at(n):
            key_now = jax.random.fold_in(key_reads, n)
            params = read(key_now, noise, deployed, times[n])
            if compensated:
                params = compensate(key_now, params, reference, io=io)
            return evaluate(params)

        return jax.lax.map(at, jnp.arange(len(times)))

    return jax.vmap(one)(jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(repeats)))
