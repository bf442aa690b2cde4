"""What a run has counted, against a count by hand of pulses without chance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import analogjax
from analogjax.cost import (
    AnalogSGD,
    Counters,
    Layer,
    MixedPrecision,
    ResidualLearning,
    TikiTakaV2,
    counted_cost,
    counters_of,
    update_cost,
)
from analogjax.devices import ConstantStep
from analogjax.pulses import CoincidencePulses, ExpectedPulses

STEP, LONGEST = 0.01, 31
DEVICE = ConstantStep(dw_min=STEP, w_max=9.0, w_min=-9.0).without_variation()
PULSES = CoincidencePulses(pulse_type="deterministic_implicit")
INPUTS, OUTPUTS, BATCH, STEPS = 3, 2, 4, 12
LAYERS = [Layer(name="kernel", inputs=INPUTS, outputs=OUTPUTS)]


class ByHand:
    """Tiles in a chain, pulsed without chance, in plain Python."""

    def __init__(self, tiles):
        self.w = np.zeros((tiles, INPUTS, OUTPUTS))
        self.pulses, self.slots, self.reads = np.zeros((3, tiles))

    def send(self, tile, rows, x, d, rate):
        wanted = rate * abs(x).max() * abs(d).max() / STEP
        if wanted == 0:
            return
        length = min(np.ceil(wanted - 1e-6 * wanted), LONGEST)
        share, short = np.sqrt(min(wanted, LONGEST) / length), max(wanted / LONGEST, 1)
        on_x = share * x / abs(x).max()
        on_d = np.clip(short * share * d / abs(d).max(), -1, 1)  # What a train cannot hold is cut.
        number = np.rint(length * np.outer(on_x, on_d))
        self.w[tile][rows] -= STEP * number
        self.pulses[tile] += abs(number).sum()
        self.slots[tile] += length

    def transfer(self, tile, line, rate):
        self.reads[tile + 1] += 1
        self.send(tile, [line], np.ones(1), -self.w[tile + 1][line], rate)


def vectors():
    """Vector pairs of every size: some are zero, some ask for more than the longest train."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS, BATCH, INPUTS))
    d = rng.normal(size=(STEPS, BATCH, OUTPUTS)) * rng.choice([0.05, 0.3, 4.0], (STEPS, BATCH, 1))
    d[rng.random((STEPS, BATCH)) < 0.4] = 0.0
    return x.astype(np.float32), d.astype(np.float32)


def trained(rule, x, d):
    params = {"kernel": jnp.zeros((INPUTS, OUTPUTS))}

    @jax.jit
    def run(state):
        def step(state, pair):
            factors = {"kernel": pair}
            gradient = {"kernel": pair[0].T @ pair[1]}
            return rule.update(gradient, state, params, factors=factors)[1], None

        return jax.lax.scan(step, state, (jnp.asarray(x), jnp.asarray(d)))[0]

    return run(rule.init(params))


def test_counters_and_cost_are_those_counted_by_hand():
    tiles, every, rate, transfer = 3, 2, 0.1, 0.3719
    rule = analogjax.residual_learning(
        rate, DEVICE, key=0, num_tiles=tiles, transfer_lr=transfer, transfer_every=every,
        pulses=PULSES, transfer_pulses=PULSES,
    )  # fmt: skip
    x, d = vectors()
    hand = ByHand(tiles)
    for step in range(STEPS):
        for pair in range(BATCH):
            hand.send(tiles - 1, slice(None), x[step, pair], d[step, pair], rate)
        for tile in reversed(range(tiles - 1)):
            period = every ** (tiles - 1 - tile)
            if (step + 1) % period == 0:
                hand.transfer(tile, ((step + 1) // period - 1) % INPUTS, transfer)
    counters = counters_of(trained(rule, x, d))
    np.testing.assert_array_equal(counters["kernel"].pulses, hand.pulses)
    np.testing.assert_array_equal(counters["kernel"].slots, hand.slots)
    np.testing.assert_array_equal(counters["kernel"].reads, hand.reads)
    assert hand.slots.min() > 0

    samples = STEPS * BATCH
    cost = counted_cost(LAYERS, ResidualLearning(num_tiles=tiles), counters, samples)
    slots, reads = hand.slots.sum() / samples, hand.reads.sum() / samples
    (layer,) = cost.layers
    assert layer.analog_time_ns == pytest.approx(5 * slots + 40 * reads)
    lines = INPUTS + OUTPUTS
    own = hand.slots[-1] / samples
    assert cost.load_bits == pytest.approx(2 * INPUTS * (8 + own))
    assert cost.pulse_energy_nj == pytest.approx(0.7 * lines / 8192 * 5 * slots)
    assert cost.transfer_energy_nj == pytest.approx(7.29 * lines / 1295 * reads)
    assert cost.conversions == pytest.approx(tiles * (INPUTS + OUTPUTS) + reads * OUTPUTS)


def test_mixed_precision_counts_the_train_of_every_output_line_it_writes():
    device = ConstantStep(dw_min=1.0, w_max=9.0, w_min=-9.0).without_variation()
    rule = analogjax.mixed_precision(1.0, device, key=0, pulses=PULSES, transfer_every=2)
    gradient = np.array([[0.6, 0.1], [1.6, -0.2], [-2.6, 0.3]], np.float32)
    params = {"kernel": jnp.zeros((3, 2))}
    state, update = rule.init(params), jax.jit(rule.update)
    for _ in range(2):
        _, state = update({"kernel": gradient}, state, params)
    # 1.2, 3.2 and -5.2 are gathered in the first column: 1, 3 and 5 pulses in a train of 5 slots;
    # in the second, nothing that is whole.
    counters = counters_of(state)["kernel"]
    assert [*map(float, (counters.pulses[0], counters.slots[0], counters.reads[0]))] == [9, 5, 0]
    layers = [Layer(name="kernel", inputs=3, outputs=2)]
    cost = counted_cost(layers, MixedPrecision(batch_size=2), {"kernel": counters}, samples=4)
    assert cost.layers[0].analog_time_ns == 5 * 5 / 4
    assert cost.update_energy_nj == update_cost(layers, MixedPrecision()).update_energy_nj


def test_a_run_that_does_what_the_formulas_assume_costs_what_they_say():
    rule = TikiTakaV2(pulses_per_vector=5, transfer_period=2)
    counters = {"kernel": Counters(np.array([9.0, 99.0]), np.array([50.0, 500.0]), [0.0, 50.0])}
    assert counted_cost(LAYERS, rule, counters, samples=100) == update_cost(LAYERS, rule)
    # Two groups, each sent its vectors at the same time, lines read and written in both at once.
    grouped = [Layer(name="kernel", inputs=INPUTS, outputs=OUTPUTS, groups=2, vectors=25)]
    counters = {"kernel": Counters(np.array([9.0, 99.0]), np.array([50.0, 1000.0]), [0.0, 50.0])}
    assert counted_cost(grouped, rule, counters, samples=4) == update_cost(grouped, rule)


def test_counters_of_several_seeds_keep_their_axis():
    rules = [analogjax.analog_sgd(0.1, DEVICE, key=seed, pulses=PULSES) for seed in (0, 1)]
    each = [trained(rule, *vectors()) for rule in rules]
    both = counters_of(jax.tree.map(lambda *leaves: jnp.stack(leaves), *each))["kernel"]
    for part, one in zip(both, counters_of(each[0])["kernel"], strict=True):
        assert part.shape == (2, 1)
        np.testing.assert_array_equal(part[0], one)


def test_what_was_not_counted_is_told():
    x, d = vectors()
    expected = analogjax.analog_sgd(0.1, DEVICE, key=0, pulses=ExpectedPulses())
    counters = counters_of(trained(expected, x, d))
    with pytest.raises(ValueError, match="Pulses of 'kernel' were counted, but no trains"):
        counted_cost(LAYERS, AnalogSGD(), counters, samples=48)
    with pytest.raises(ValueError, match=r"layers are \['kernel'\], but the counters are of \[\]"):
        counted_cost(LAYERS, AnalogSGD(), {}, samples=48)
    none = {"kernel": Counters(*np.zeros((3, 1)))}
    with pytest.raises(ValueError, match=r"ResidualLearning has 6 tiles, but 'kernel' .* on 1"):
        counted_cost(LAYERS, ResidualLearning(num_tiles=6), none, samples=48)
    seeds = {"kernel": Counters(*np.zeros((3, 4, 1)))}
    with pytest.raises(ValueError, match=r"one run, \(tiles,\), got \(4, 1\): take those of one"):
        counted_cost(LAYERS, AnalogSGD(), seeds, samples=48)
    with pytest.raises(ValueError, match="samples must be a finite number above 0, got 0"):
        counted_cost(LAYERS, AnalogSGD(), none, samples=0)
