"""A summed weight change of unknown factors, rounded at random to whole pulses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import SIGMAS, mean_score

from analogjax.devices import ConstantStep
from analogjax.pulses import BatchedPulses, CoincidencePulses, ExpectedPulses

WANTED = jnp.array([[0.0, 0.01, -0.01, 0.024], [-0.0003, 0.5, -0.499, 0.00701]])


@pytest.mark.parametrize("pulses", [CoincidencePulses(), BatchedPulses()])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_summed_change_is_rounded_to_a_neighbouring_count_with_exact_mean(pulses, scale):
    """Sent in passes over the array, and as a list where pulses are few."""
    device = ConstantStep(dw_min=0.01, w_max=9.0, w_min=-9.0).without_variation()
    cells, wanted = device.sample(jax.random.key(0), WANTED.shape), scale * WANTED
    send = jax.jit(
        jax.vmap(lambda key: pulses.send_increment(key, device, cells, 0 * wanted, wanted))
    )
    sent = send(jax.random.split(jax.random.key(1), 20_000))
    net = np.asarray(sent.up - sent.down)
    assert mean_score(net, wanted / 0.01) < SIGMAS
    assert (np.abs(net - wanted / 0.01) < 1 + 1e-4).all()
    assert not (np.asarray(sent.up) * np.asarray(sent.down)).any()
    np.testing.assert_allclose(sent.w, 0.01 * net, atol=1e-6)


def test_expected_scheme_takes_the_summed_change_as_it_is():
    device = ConstantStep(dw_min=0.01, w_max=9.0, w_min=-9.0).without_variation()
    cells = device.sample(jax.random.key(0), WANTED.shape)
    w = ExpectedPulses().send_increment(None, device, cells, 0 * WANTED, WANTED).w
    np.testing.assert_allclose(w, WANTED, rtol=1e-6)
