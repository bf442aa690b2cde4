"""Tiles filled one by one through one digital buffer."""

import jax
import jax.numpy as jnp
import numpy as np

import analogjax
from analogjax.devices import SoftBounds
from analogjax.pulses import Factors

WISHES = jax.random.uniform(jax.random.key(0), (1, 100), minval=-0.6, maxval=0.6)
DEVICE = SoftBounds.with_states(4)
NOISE = 2.0


def train(rule, steps):
    """The state after each step towards the wishes, and the mean squared error there.

    Each sample's error has noise, much larger than the distance that is to be learned.
    """

    def step(carry, n):
        params, state = carry
        noise = jax.random.normal(jax.random.fold_in(jax.random.key(1), n), (4, WISHES.size))
        factors = {"w": Factors(jnp.ones((4, 1)), params["w"] - WISHES + NOISE * noise)}
        grads = jax.tree.map(jnp.zeros_like, params)
        updates, state = rule.update(grads, state, params, factors=factors)
        params = jax.tree.map(jnp.add, params, updates)
        stack = getattr(state.weights["w"], "stack", state.weights["w"])
        return (params, state), (stack.pulses.total, jnp.mean((params["w"] - WISHES) ** 2))

    params = {"w": jnp.zeros(WISHES.shape)}
    start = params, jax.jit(rule.init)(params)
    return jax.jit(lambda start: jax.lax.scan(step, start, jnp.arange(steps)))(start)[1]


def test_each_stage_writes_its_own_tile_and_the_last_goes_on():
    rule = analogjax.buffered_residual_learning(
        0.05, DEVICE, key=0, num_tiles=4, transfer_lr=0.3, warm_start=analogjax.Stages(60)
    )
    pulses, _ = train(rule, steps=300)
    sent = np.diff(pulses.sum(-1)[59::60], axis=0, prepend=0.0)  # By stage and tile.
    coarse = np.minimum(np.arange(5), 2)
    for stage, tile in enumerate(coarse):
        assert sent[stage, tile] > 0
        assert not np.delete(sent[stage, :3], tile).any()
    assert (sent[:, 3] > 0).all()


def test_reads_that_are_summed_beat_single_reads():
    """Where the gradient is mostly noise, at as many tiles, reads and pulses of the gradient."""
    steps, common = 6_000, {"key": 0, "num_tiles": 4, "transfer_lr": 0.05}
    stages = analogjax.Stages(steps // 3)
    buffered = analogjax.buffered_residual_learning(
        0.02, DEVICE, transfer_every=8, warm_start=stages, **common
    )
    plain = analogjax.residual_learning(
        0.02, DEVICE, transfer_every=(8, 4, 2), warm_start=stages, warm_start_every=8, chain=False,
        **common,
    )  # fmt: skip
    ends = [np.asarray(train(rule, steps)[1][-500:]).mean() for rule in (buffered, plain)]
    assert ends[0] < ends[1] / 3
