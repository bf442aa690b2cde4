"""The device that takes any change exactly, under every scheme and every rule."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import analogjax
from analogjax.devices import Ideal, check_device
from analogjax.pulses import BatchedPulses, CoincidencePulses, ExpectedPulses, Factors

KEY = jax.random.key(4)
W, X, D = (jax.random.normal(jax.random.key(n), shape) for n, shape in
           enumerate([(3, 2), (5, 3), (5, 2)]))  # fmt: skip
SCHEMES = [CoincidencePulses(), BatchedPulses(), ExpectedPulses(noise=True)]


@pytest.mark.parametrize("pulses", SCHEMES)
def test_every_scheme_adds_the_product_exactly_and_counts_no_pulses(pulses):
    device = Ideal()
    cells = device.sample(KEY, W.shape)
    wanted = np.asarray(W, float) - 3.0 * np.asarray(X, float).T @ np.asarray(D, float)
    assert np.abs(wanted).max() > 1  # no bounds
    for sent in (
        pulses.send(KEY, device, cells, W, X, D, 3.0),
        pulses.send_increment(KEY, device, cells, W, jnp.asarray(wanted, jnp.float32) - W),
    ):
        np.testing.assert_allclose(sent.w, wanted, rtol=1e-5, atol=1e-6)
        assert sent.w.dtype == jnp.float32
        assert not np.any(sent.up)
        assert not np.any(sent.down)
    np.testing.assert_array_equal(
        pulses.apply(KEY, device, cells, W, X, D, 3.0),
        pulses.send(KEY, device, cells, W, X, D, 3.0).w,
    )


def test_one_pulse_moves_by_the_step_and_nothing_varies():
    device = Ideal(dw_min=0.25)
    cells = device.sample(KEY, W.shape)
    direction = jnp.array([[1, -1], [0, 1], [-1, 0]])
    np.testing.assert_allclose(
        device.apply_pulse(KEY, cells, W, direction), W + 0.25 * direction, rtol=1e-6
    )
    np.testing.assert_array_equal(device.response(cells, W), np.ones((2, 3, 2)))
    assert all(leaf.shape == () for leaf in cells)
    assert device.n_states == float("inf")
    assert device.symmetric_point(cells) == 0
    assert device.without_variation() == device
    with pytest.raises(ValueError, match=r"Ideal\.dw_min must be positive, got -1\.0"):
        check_device(Ideal(dw_min=-1.0))


RULES = {
    "analog_sgd": {},
    "mixed_precision": {},
    "tiki_taka": {"gamma": 0.5, "transfer_lr": 0.1},
    "residual_learning": {"num_tiles": 2, "transfer_every": 1},
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_learns_on_it(rule):
    learn = getattr(analogjax, rule)(0.1, Ideal(), key=0, **RULES[rule])

    def step(carry, _):
        params, state = carry
        d = params["w"] - W
        updates, state = learn.update(
            {"w": d}, state, params, factors={"w": Factors(jnp.eye(3), d)}
        )
        return (optax.apply_updates(params, updates), state), None

    params = {"w": jnp.zeros_like(W)}
    run = jax.jit(lambda carry: jax.lax.scan(step, carry, length=200))
    (params, _), _ = run((params, learn.init(params)))
    # Mixed precision writes in whole steps of 0.001; the others go as far as 200 steps do.
    np.testing.assert_allclose(params["w"], W, atol=2e-3)


def test_analog_sgd_on_it_is_sgd():
    rule, sgd = analogjax.analog_sgd(0.1, Ideal(), key=0), optax.sgd(0.1)
    params = {"w": W}
    updates, _ = rule.update({"w": X.T @ D}, rule.init(params), params)
    expected, _ = sgd.update({"w": X.T @ D}, sgd.init(params), params)
    np.testing.assert_allclose(updates["w"], expected["w"], rtol=1e-5, atol=1e-6)
