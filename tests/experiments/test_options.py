"""What the options of the commands make of the network and of the rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.devices import SoftBounds
from analogjax.experiments._options import TaskOptions
from analogjax.experiments._rules import RuleSettings, make_optimizer

DEVICE = SoftBounds.with_states(10).without_variation()
PARAMS = {"kernel": jnp.full((8, 4), 0.2)}


def trained(**settings):
    """The stack after some steps of residual learning on three tiles, passing on every two."""
    rule = RuleSettings(
        num_tiles=3, learning_rate=0.5, transfer_lr=1.0, transfer_every=2, **settings
    ).complete()
    optimizer = make_optimizer(rule, DEVICE, jax.random.key(0), epochs=1, steps_per_epoch=40)

    @jax.jit
    def train():
        def step(state, _):
            return optimizer.update({"kernel": jnp.ones((8, 4))}, state, PARAMS)[1], None

        return jax.lax.scan(step, optimizer.init(PARAMS), length=20)[0]

    return train().inner_states["analog"].inner_state.weights["kernel"]


def test_rule_settings_reach_the_rule():
    free = trained(reads_per_transfer=0.5, warm_start_from="next")
    assert not np.allclose(free.tiles[0].w, 0.2)
    np.testing.assert_array_equal(free.reads.total, [0, 4 * 5, 4 * 10])
    held = trained(transfer_threshold=2.0)
    np.testing.assert_allclose(held.tiles[0].w, 0.2)


def test_weights_are_scaled_where_the_task_says_so():
    assert TaskOptions().model().mapping is None
    assert TaskOptions(weight_scale=0.5).model().mapping.weight_scaling_omega == 0.5
    with pytest.raises(ValueError, match=r"weight_scale must be above 0, got -1\.0"):
        TaskOptions(weight_scale=-1.0).model().init(jax.random.key(0), jnp.ones((1, 8, 8, 1)))


def test_digital_sgd_has_a_rate_for_each_network():
    """At the rate that is best on the digits, LeNet-5 does not learn."""
    rates = {
        name: RuleSettings(rule="digital-sgd").complete(name).learning_rate
        for name in ("digits", "mnist", "cifar10")
    }
    assert rates["digits"] > 0.4
    assert rates["mnist"] == rates["cifar10"] == 0.05
    own = RuleSettings(rule="digital-sgd", learning_rate=0.2)
    assert own.complete("mnist").learning_rate == 0.2
