"""The exact bit trains the slow way: every slot visits every crosspoint."""

import jax
import jax.numpy as jnp

from analogjax.pulses._lines import line_probabilities
from analogjax.pulses._sent import Sent


def send_densely(key, device, cells, w, x, d, learning_rate, **settings):
    """As ``CoincidencePulses(**settings).send``, by another way and from other random numbers."""
    lines = line_probabilities(x, d, learning_rate, device.granularity, **settings)
    none = jnp.zeros((x.shape[1], d.shape[1]), jnp.int32)

    def one_sample(carry, inputs):
        key, line = inputs
        key_x, key_d, key_noise = jax.random.split(key, 3)
        size = settings["desired_bl"]
        p_x, p_d = line.inputs(), line.outputs()
        bits_x = jax.random.bernoulli(key_x, jnp.abs(p_x), (size, *p_x.shape))
        bits_d = jax.random.bernoulli(key_d, jnp.abs(p_d), (size, *p_d.shape))

        def slot(k, carry):
            w, up, down = carry
            signed_x = jnp.where(bits_x[k], jnp.sign(p_x), 0.0)
            signed_d = jnp.where(bits_d[k], jnp.sign(p_d), 0.0)
            direction = -signed_x[:, None] * signed_d[None, :]
            noise = jax.random.fold_in(key_noise, k)
            return (
                device.apply_pulse(noise, cells, w, direction),
                up + (direction > 0),
                down + (direction < 0),
            )

        return jax.lax.fori_loop(0, line.length[0].astype(jnp.int32), slot, carry), None

    keys = jax.random.split(key, len(x))
    return Sent.summed(*jax.lax.scan(one_sample, (w, none, none), (keys, lines))[0])
