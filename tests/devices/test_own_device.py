"""A device defined outside the package works with every pulse scheme and every rule."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax
from analogjax.devices import PulsedDevice
from analogjax.pulses import BatchedPulses, CoincidencePulses, ExpectedPulses, Factors


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class ParabolicStep(PulsedDevice):
    """Steps shrink with the square of the weight, the same in both directions."""

    curvature: float = 0.5

    def steps(self, cells, w):
        shape = 1.0 - self.curvature * w**2
        return cells.step_up * shape, cells.step_down * shape


DEVICE = dataclasses.replace(
    ParabolicStep(dw_min=0.01, w_max=1.0, w_min=-1.0).without_variation(), dw_min_dtod=0.3
)
KEY = jax.random.key(3)
X = jax.random.uniform(jax.random.key(1), (4, 3), minval=0.5, maxval=1.0)
D = jax.random.uniform(jax.random.key(2), (4, 2), minval=0.5, maxval=1.0)


@pytest.mark.parametrize("pulses", [CoincidencePulses(), BatchedPulses(), ExpectedPulses()])
def test_own_device_moves_against_the_gradient_under_every_scheme(pulses):
    device = dataclasses.replace(DEVICE, dw_min_dtod=0.0, dw_min_std=0.3)
    cells = device.sample(KEY, (3, 2))

    def apply(key):
        return pulses.apply(key, device, cells, jnp.zeros((3, 2)), X, D, 0.05)

    moved = jax.jit(jax.vmap(apply))(jax.random.split(KEY, 500))
    # 500 repetitions; the spread of one is below 0.1, and w**2 stays below 0.1.
    np.testing.assert_allclose(moved.mean(0), -0.05 * X.T @ D, atol=0.01)


@pytest.mark.parametrize(
    "rule", ["analog_sgd", "tiki_taka", "mixed_precision", "residual_learning"]
)
def test_own_device_learns_under_every_rule(rule):
    settings = {
        "tiki_taka": {"gamma": 0.5, "transfer_lr": 0.1},
        "residual_learning": {"num_tiles": 2, "transfer_every": 1},
    }
    learn = getattr(analogjax, rule)(0.1, DEVICE, key=0, **settings.get(rule, {}))
    target = jnp.array([[0.3, -0.2], [-0.4, 0.1], [0.2, 0.25]])

    def step(carry, _):
        params, state = carry
        d = params["w"] - target
        factors = {"w": Factors(jnp.eye(3), d)}
        updates, state = learn.update({"w": d}, state, params, factors=factors)
        params = {"w": params["w"] + updates["w"]}
        return (params, state), params["w"]

    params = {"w": jnp.zeros((3, 2))}
    _, path = jax.jit(lambda carry: jax.lax.scan(step, carry, length=400))(
        (params, learn.init(params))
    )
    assert float(jnp.abs(path[-100:].mean(0) - target).max()) < 0.05
