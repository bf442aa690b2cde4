"""Every scheme under jit and vmap over keys, learning rates and device fields."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax.pulses
from analogjax.devices import SoftBounds

SCHEMES = [
    getattr(analogjax.pulses, name) for name in analogjax.pulses.__all__ if name.endswith("Pulses")
]
X = jax.random.normal(jax.random.key(1), (3, 4))
D = jax.random.normal(jax.random.key(2), (3, 2))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_vmap_over_keys_rates_and_device_fields_equals_a_loop(scheme):
    def update(key, rate, dw_min, dw_min_std):
        device = SoftBounds(dw_min=dw_min).without_variation()
        device = dataclasses.replace(device, dw_min_std=dw_min_std)
        cells = device.sample(key, (4, 2))
        return scheme().send(key, device, cells, jnp.zeros((4, 2)), X, D, rate)

    args = (
        jax.random.split(jax.random.key(3), 4),
        jnp.array([0.1, 0.1, 0.2, 0.1]),
        jnp.array([0.02, 0.05, 0.05, 0.05]),
        jnp.array([0.3, 0.3, 0.3, 0.1]),
    )
    swept, alone = jax.jit(jax.vmap(update))(*args), jax.jit(update)
    for i in range(4):
        one = alone(*(arg[i] for arg in args))
        np.testing.assert_allclose(swept.w[i], one.w, atol=1e-6)
        np.testing.assert_allclose(swept.up[i], one.up, rtol=1e-5)
        np.testing.assert_allclose(swept.down[i], one.down, rtol=1e-5)
        assert (one.w != 0).any()
