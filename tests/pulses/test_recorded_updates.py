"""Mean updates of all schemes against those of an independent simulator."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import SIGMAS, mean_score, shuffled, two_sample_score

import analogjax.devices
from analogjax.devices import SoftBounds
from analogjax.pulses import BatchedPulses, CoincidencePulses, ExpectedPulses

REPEATS = 5_000
SINGLE = ["constant_step_managed", "constant_step_fixed_bl", "soft_bounds_coarse"]
BATCH = "soft_bounds_batch"


@functools.partial(jax.jit, static_argnames=("pulses", "device", "repeats"))
def update_many(pulses, device, x, d, rate, repeats):
    """Weights after independent updates from zero, each with its own mini-batch if given one."""
    w = jnp.zeros((x.shape[-1], d.shape[-1]))
    cells = device.sample(jax.random.key(0), w.shape)

    def update(key, x, d):
        return pulses.apply(key, device, cells, w, x, d, rate)

    axis = 0 if x.ndim == 3 else None
    keys = jax.random.split(jax.random.key(7), repeats)
    return jax.vmap(update, in_axes=(0, axis, axis))(keys, x, d)


def updates(recorded, case, scheme, repeats=REPEATS, shuffle=False):
    """Our updates in a recorded case, with its recorded means ``(in, out)`` and their variance."""
    settings, arrays = recorded("pulsed_update", case)
    cls = getattr(analogjax.devices, settings["device"].removesuffix("Device"))
    fields = {name: settings[name] for name in ("dw_min", "w_max", "w_min")}
    names = ("desired_bl", "update_management", "update_bl_management")
    pulses = scheme(**{name: settings[name] for name in names})
    x, d = arrays["x"], arrays["d"]
    x, d = shuffled(x, d, repeats) if shuffle else (x, d)
    w = update_many(pulses, cls(**fields).without_variation(), x, d, settings["lr"], repeats)
    return w, arrays["mean"].T, settings["reps"]


@pytest.mark.parametrize("case", [*SINGLE, BATCH])
def test_exact_bit_trains_have_the_recorded_means(recorded, case):
    w, mean, reps = updates(recorded, case, CoincidencePulses)
    assert mean_score(w, mean, np.var(w, 0) / reps) < SIGMAS
    assert np.abs(mean).max() > 10 * np.std(w, 0).max() / np.sqrt(reps)


@pytest.mark.parametrize("case", SINGLE)
def test_batched_pulses_have_the_recorded_means_for_single_vectors(recorded, case):
    w, mean, reps = updates(recorded, case, BatchedPulses)
    assert mean_score(w, mean, np.var(w, 0) / reps) < SIGMAS


@pytest.mark.parametrize("case", ["constant_step_managed", "constant_step_fixed_bl"])
def test_expected_pulses_have_the_recorded_means_where_steps_are_constant(recorded, case):
    w, mean, reps = updates(recorded, case, ExpectedPulses, repeats=1)
    spread = np.asarray(recorded("pulsed_update", case)[1]["std"]).T
    # The recorded spread is up to 20 % in the variance too small.
    error = 1.25 * spread / np.sqrt(reps)
    assert (np.abs(w[0] - mean) < SIGMAS * error + 1e-6).all()


def test_batched_pulses_are_exact_bit_trains_with_the_samples_in_random_order(recorded):
    batched, _, _ = updates(recorded, BATCH, BatchedPulses)
    shuffled, _, _ = updates(recorded, BATCH, CoincidencePulses, shuffle=True)
    assert two_sample_score(batched, shuffled) < SIGMAS


@pytest.mark.parametrize(("scheme", "tolerance"), [(BatchedPulses, 0.06), (ExpectedPulses, 0.10)])
def test_order_of_samples_left_out_costs_a_few_percent_of_the_mean(recorded, scheme, tolerance):
    w, mean, _ = updates(recorded, BATCH, scheme)
    assert np.abs(np.mean(w, 0) - mean).max() < tolerance * np.abs(mean).max()


def further_updates(recorded, case, repeats):
    """Our updates in a case of the second recording, and that case's mean and spread."""
    settings, arrays = recorded("crosspoints", case)
    device = SoftBounds(dw_min=0.06, w_max=0.8, w_min=-0.7, up_down=0.2).without_variation()
    kind = settings["pulse_type"].removesuffix("_compressed")
    pulses = CoincidencePulses(
        desired_bl=settings["desired_bl"],
        update_management=settings["managed"],
        update_bl_management=settings["managed"],
        pulse_type=kind,
    )
    rate = settings["learning_rate"]
    w = update_many(pulses, device, arrays["x"], arrays["d"], rate, repeats)
    return np.asarray(w, float), arrays["w"], arrays["std"], settings["repeats"]


@pytest.mark.parametrize("managed", ["", "_managed"])
@pytest.mark.parametrize("kind", ["deterministic_implicit", "mean_count"])
def test_pulses_without_chance_are_those_recorded(recorded, kind, managed):
    w, recorded_w, _, _ = further_updates(recorded, f"{kind}{managed}", 2)
    np.testing.assert_allclose(w[0], recorded_w, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(w[1], w[0])


@pytest.mark.parametrize("case", ["stochastic_short", "stochastic_managed", "stochastic_unmanaged"])
def test_means_and_spreads_of_mini_batches_are_those_recorded(recorded, case):
    w, mean, std, reps = further_updates(recorded, case, REPEATS)
    assert mean_score(w, mean, std**2 / reps) < SIGMAS
    spread = (w - w.mean(0)) ** 2
    # The recorded variance has the standard error of ours.
    assert mean_score(spread, std**2, spread.var(0) / reps) < SIGMAS


def test_an_unknown_pulse_type_is_refused():
    with pytest.raises(ValueError, match="mean_count, got 'dense'"):
        update_many(
            CoincidencePulses(pulse_type="dense"), SoftBounds(), *np.ones((2, 1, 1)), 0.1, 1
        )
