"""Single pulses against the recorded curves of an independent simulator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.devices import ConstantStep, ExpStep, LinearStep, PowStep, SoftBounds

CASES = {
    "constant_step": ConstantStep,
    "exp_step": ExpStep,
    "linear_step": LinearStep,
    "pow_step": PowStep,
    "soft_bounds_4_states": SoftBounds,
    "soft_bounds_10_states": SoftBounds,
    "soft_bounds_up_down": SoftBounds,
}


@pytest.mark.parametrize("case", CASES)
def test_every_pulse_moves_the_weight_as_recorded(recorded, case):
    settings, curve = recorded("pulse_response", case)
    assert settings.pop("device") == f"{CASES[case].__name__}Device"
    device = CASES[case](**settings).without_variation()
    cells = device.sample(jax.random.key(0), ())

    def pulse(w, direction):
        w = device.apply_pulse(None, cells, w, direction)
        return w, w

    _, weights = jax.lax.scan(pulse, jnp.float32(curve[case][0]), jnp.asarray(curve["pulses"]))
    np.testing.assert_allclose(weights, curve[case][1:], rtol=0, atol=1e-6)
    assert np.ptp(curve[case]) > 0.6 * (settings["w_max"] - settings["w_min"])
