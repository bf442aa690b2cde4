"""Fits of devices to measured curves: true values within the intervals, and honest ignorance."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from device_table import DEVICES

from analogjax.devices import (
    ConstantStep,
    ExpStep,
    Ideal,
    LinearStep,
    PiecewiseStep,
    PowStep,
    PowStepReference,
    ResponseFunctions,
    SoftBounds,
    SoftBoundsReference,
    fit,
)

# Up and down, far enough for most devices to come close to their bounds.
PULSES = np.tile(np.repeat([1, -1], 60), 3)


def linear(w, slope):
    return 1.0 - slope * w


# The true device, and the fields that the search starts from instead.
CASES = {
    "ConstantStep": (ConstantStep(dw_min=0.04, w_max=0.8, w_min=-0.6, up_down=-0.1), {}),
    "ExpStep": (
        ExpStep(dw_min=0.04, w_max=0.7, w_min=-0.6, up_down=0.1, A_up=0.005, A_down=0.9,
                gamma_up=10.0, gamma_down=11.0),
        {},
    ),
    "LinearStep": (
        LinearStep(dw_min=0.04, w_max=0.7, w_min=-0.6, gamma_up=0.3, gamma_down=0.6, up_down=0.1),
        {},
    ),
    "PiecewiseStep": (
        PiecewiseStep(dw_min=0.03, w_max=0.7, w_min=-0.7, piecewise_up=(1.5, 1.0, 0.3),
                      piecewise_down=(0.4, 1.0, 1.3)),
        {"dw_min": 0.03, "piecewise_up": (1.0, 1.0, 1.0), "piecewise_down": (1.0, 1.0, 1.0)},
    ),
    "PowStep": (PowStep(dw_min=0.1, w_max=0.8, w_min=-0.7, pow_gamma=1.4, up_down=0.1), {}),
    "PowStepReference": (
        PowStepReference(dw_min=0.1, w_max=0.8, w_min=-0.7, pow_gamma=1.3, pow_up_down=0.2,
                         reference_mean=0.1),
        {"reference_mean": 0.1},
    ),
    "ResponseFunctions": (
        ResponseFunctions(q_up=linear, q_down=lambda w, slope: linear(-w, slope), dw_min=0.03,
                          w_max=0.7, w_min=-0.6, up_down=-0.1, parameters=(0.8,)),
        {"q_up": linear, "q_down": lambda w, slope: linear(-w, slope), "parameters": (0.3,)},
    ),
    "SoftBounds": (SoftBounds(dw_min=0.04, w_max=0.8, w_min=-0.5, up_down=0.1), {}),
    "SoftBoundsReference": (
        SoftBoundsReference(dw_min=0.05, w_max=0.9, w_min=-0.6, up_down=-0.15, reference_mean=0.1),
        {"reference_mean": 0.1},
    ),
}  # fmt: skip


def mean_device(device, cycle_noise=0.3):
    return dataclasses.replace(device.without_variation(), dw_min_std=cycle_noise)


def curves(device, pulses, *, count=1, seed=0):
    """Weights of ``count`` crosspoints along the pulses, ``(count, pulses + 1)``."""
    return np.array(_curves(jax.random.key(seed), device, jnp.asarray(pulses, jnp.int8), count))


@functools.partial(jax.jit, static_argnames="count")
def _curves(key, device, pulses, count):
    key_cells, key_pulses = jax.random.split(key)
    cells = device.sample(key_cells, (count,))
    start = jnp.broadcast_to(device.program(cells, jnp.zeros(())), (count,))

    def one_pulse(w, inputs):
        w = device.apply_pulse(inputs[0], cells, w, inputs[1])
        return w, w

    keys = jax.random.split(key_pulses, len(pulses))
    return jnp.concatenate([start[None], jax.lax.scan(one_pulse, start, (keys, pulses))[1]]).T


CYCLE_NOISE = {"ExpStep": 0.1}  # Its exponents are hard to tell.


def covered(name, trials, seed=0):
    """Whether the interval of each field holds the true value, ``(trials, fields)``."""
    device, start = CASES[name]
    device = mean_device(device, CYCLE_NOISE.get(name, 0.3))
    start = type(device)(**start)
    hits, errors = [], []
    for curve in curves(device, PULSES, count=trials, seed=seed):
        report = fit(start, PULSES, curve)
        row = []
        for field, (low, high) in report.intervals.items():
            base, _, index = field.partition("[")
            true = getattr(device, base)
            true = true[int(index[:-1])] if index else true
            row.append(low <= true <= high)
        hits.append(row)
        errors.append(report)
    return np.array(hits), errors


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_nine_in_ten_intervals_of_noisy_curves_hold_the_true_value(name):
    hits, reports = covered(name, 200)
    assert not any(report.undetermined for report in reports)
    each = dict(zip(reports[0].fields, hits.mean(0), strict=True))
    assert hits.mean() >= 0.92, each
    assert min(each.values()) >= 0.88, each  # 200 trials of 0.9 spread by 0.02.


def test_every_device_is_recovered():
    assert set(CASES) == set(DEVICES)


@pytest.mark.parametrize("name", ["ConstantStep", "SoftBoundsReference"])
def test_most_intervals_of_a_few_noisy_curves_hold_the_true_value(name):
    hits, reports = covered(name, 5, seed=1)
    assert hits.mean() >= 0.8
    noise = np.mean([report.device.dw_min_std for report in reports])
    assert noise == pytest.approx(CYCLE_NOISE.get(name, 0.3), rel=0.15)


def test_a_curve_without_noise_gives_its_device_back():
    device, _ = CASES["SoftBounds"]
    (curve,) = curves(mean_device(device, 0.0), PULSES)
    report = fit(SoftBounds(), PULSES, curve)
    for name in ("dw_min", "w_max", "w_min", "up_down"):
        assert report.values[name] == pytest.approx(getattr(device, name), abs=2e-4)
        assert getattr(report.device, name) == report.values[name]
    assert report.residual < 1e-5
    np.testing.assert_allclose(np.diag(report.correlation), 1.0)


def test_read_noise_is_told_from_the_noise_of_pulses_and_does_not_bias():
    device, _ = CASES["SoftBounds"]
    (curve,) = curves(mean_device(device), PULSES)
    noisy = curve + 0.02 * np.random.default_rng(0).standard_normal(curve.shape)
    report = fit(SoftBounds(), PULSES, noisy)
    assert report.read_noise == pytest.approx(0.02, rel=0.2)
    assert report.device.dw_min_std == pytest.approx(0.3, abs=0.15)
    for name, (low, high) in report.intervals.items():
        assert low <= getattr(device, name) <= high
    assert fit(SoftBounds(), PULSES, noisy, read_noise=0.03).read_noise == 0.03


def test_up_pulses_alone_leave_the_way_down_undetermined_and_held():
    device, _ = CASES["SoftBounds"]
    (curve,) = curves(mean_device(device), np.ones_like(PULSES))
    start = SoftBounds(w_min=-0.7, up_down=-0.05)
    report = fit(start, np.ones_like(PULSES), curve)
    assert {group[0] for group in report.undetermined} == {"w_min", "up_down"}
    assert (report.device.w_min, report.device.up_down) == (-0.7, -0.05)
    assert report.intervals["w_min"] == (-np.inf, np.inf)
    assert np.isnan(report.correlation[2]).all()
    assert report.intervals["w_max"][0] <= device.w_max <= report.intervals["w_max"][1]


def test_bounds_that_the_curve_never_comes_near_are_undetermined():
    (curve,) = curves(mean_device(SoftBounds(dw_min=0.001, w_max=2.0, w_min=-2.0)), PULSES)
    report = fit(SoftBounds(w_max=1.0, w_min=-1.0), PULSES, curve)
    assert {"w_max", "w_min"} <= {name for group in report.undetermined for name in group}
    assert "dw_min" not in {group[0] for group in report.undetermined}


def test_redundant_fields_are_held_unless_asked_for_and_then_told():
    device, start = CASES["SoftBoundsReference"]
    (curve,) = curves(mean_device(device), PULSES)
    start = SoftBoundsReference(**start)
    assert "reference_mean" not in fit(start, PULSES, curve).values
    fields = ("dw_min", "w_max", "w_min", "up_down", "reference_mean")
    report = fit(start, PULSES, curve, fields=fields)
    ((held, *_),) = report.undetermined
    assert report.values[held] == pytest.approx(getattr(start, held), abs=0.5)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaky(SoftBounds):
    """With a field that single pulses know nothing of."""

    leak: float = 0.1


def test_fields_that_pulses_know_nothing_of_are_left_alone():
    device, _ = CASES["SoftBounds"]
    (curve,) = curves(mean_device(device), PULSES)
    report = fit(Leaky(), PULSES, curve)
    assert report.device.leak == 0.1
    assert list(report.values) == ["dw_min", "w_max", "w_min", "up_down"]


def test_read_noise_does_not_hide_a_hard_bound():
    device, _ = CASES["ConstantStep"]
    (curve,) = curves(mean_device(device), PULSES)
    noisy = curve + 0.02 * np.random.default_rng(0).standard_normal(curve.shape)
    report = fit(ConstantStep(), PULSES, noisy)
    assert not report.undetermined
    assert report.values["w_max"] == pytest.approx(device.w_max, abs=0.02)
    assert report.values["w_min"] == pytest.approx(device.w_min, abs=0.02)


def test_only_the_fields_asked_for_change():
    device, _ = CASES["SoftBounds"]
    (curve,) = curves(mean_device(device), PULSES)
    start = dataclasses.replace(device, dw_min=0.01)
    report = fit(start, PULSES, curve, fields=["dw_min"])
    assert list(report.values) == ["dw_min"]
    assert report.device.w_max == start.w_max
    assert report.values["dw_min"] == pytest.approx(0.04, abs=0.004)


def test_many_crosspoints_give_means_and_spreads_of_their_population():
    true = SoftBounds(dw_min=0.05, w_max=0.8, w_min=-0.6, up_down=0.1, dw_min_dtod=0.2,
                      w_max_dtod=0.15, w_min_dtod=0.1, up_down_dtod=0.1)  # fmt: skip
    many = curves(true, PULSES, count=25)
    many[7] = 0.05  # A stuck one.
    report = fit(SoftBounds(), PULSES, many)
    assert len(report.curves) == 24
    assert report.device.corrupt_devices_prob == pytest.approx(1 / 25)
    assert report.device.dw_min_std == pytest.approx(0.3, abs=0.02)
    names = ["dw_min", "w_max", "w_min", "up_down"]
    names += [f"{name}_dtod" for name in names]
    inside = {
        n: report.intervals[n][0] <= getattr(true, n) <= report.intervals[n][1] for n in names
    }
    assert sum(inside.values()) >= 7, inside
    for name in ("dw_min_dtod", "w_max_dtod", "w_min_dtod", "up_down_dtod"):
        assert getattr(report.device, name) == pytest.approx(getattr(true, name), rel=0.5)


def test_stuck_crosspoints_are_told_from_moving_ones_under_read_noise():
    true = SoftBounds(dw_min=0.05, w_max=1.0, w_min=-1.0, w_max_dtod=0.1, w_min_dtod=0.1)
    many = curves(dataclasses.replace(true, dw_min_std=0.1), PULSES, count=12)
    many[[1, 5, 6, 10]] = [[0.1], [-0.05], [0.0], [0.02]]
    many += 0.02 * np.random.default_rng(0).standard_normal(many.shape)
    report = fit(SoftBounds(), PULSES, many, read_noise=0.02)
    assert report.device.corrupt_devices_prob == pytest.approx(4 / 12)
    assert len(report.curves) == 8
    assert report.device.w_max == pytest.approx(1.0, abs=0.1)
    assert report.device.w_max_dtod < 0.25


@pytest.mark.slow
def test_a_log_normal_spread_is_that_of_the_logarithms():
    true = dataclasses.replace(
        SoftBounds(dw_min=0.05, dw_min_dtod_log_normal=True).without_variation(),
        dw_min_dtod=0.6, dw_min_std=0.1,
    )  # fmt: skip
    report = fit(SoftBounds(dw_min_dtod_log_normal=True), PULSES, curves(true, PULSES, count=6))
    cells = true.sample(jax.random.split(jax.random.key(0))[0], (6,))
    gains = np.log(np.asarray(cells.step_up))
    assert report.values["dw_min_dtod"] == pytest.approx(gains.std(ddof=1), rel=0.05)
    assert report.values["dw_min"] == pytest.approx(np.exp(gains.mean()), rel=0.05)


GOOD = np.array([0.0, 0.1, 0.05])


@pytest.mark.parametrize(
    ("pulses", "conductance", "options", "said"),
    [
        ([1, 2], GOOD, {}, "pulses must be .* got 2; write"),
        ([], [0.0], {}, r"at least one pulse, got shape \(0,\)"),
        ([1, -1], GOOD[:2], {}, r"one point longer than the 2 pulses, got shape \(2,\)"),
        ([1, -1], np.zeros((0, 3)), {}, r"got shape \(0, 3\)"),
        ([1, -1], [0.0, np.nan, 0.1], {}, "finite, got nan at point 1 of curve 0"),
        ([1, -1], [0.2, 0.2, 0.2], {}, "must move under pulses, got values about 0.2"),
        ([1, -1], [1e-5, 3e-5, 2e-5], {}, "must be normalised, got at most 3e-05, as in siemens"),
        ([1, -1], [10, 30, 20], {}, "must be normalised, got at most 30, as in microsiemens"),
        ([-1, 1], GOOD, {}, "must rise under up pulses.* change their sign"),
        ([1, -1], np.ma.masked_greater(GOOD, 0.07), {}, "must not be masked: cut the curves"),
        ([1, -1], GOOD, {"fields": "dw_min"}, "list of different names, got 'dw_min'"),
        ([1, -1], GOOD, {"fields": ["w_max", "w_max"]}, "list of different names"),
        ([1, -1], GOOD, {"fields": ["slope"]}, "'slope', which is unknown for SoftBounds; choose"),
        ([1, -1], GOOD, {"fields": ["dw_min_dtod"]}, "'dw_min_dtod', which is no part"),
        ([1, -1], GOOD, {"fields": []}, "nothing to fit; choose from dw_min"),
        ([1, -1], GOOD, {"read_noise": -1.0}, "at least 0, got -1.0; leave it out"),
    ],
)
def test_bad_input_is_told_in_one_sentence(pulses, conductance, options, said):
    with pytest.raises(ValueError, match=said):
        fit(SoftBounds(), pulses, conductance, **options)


def test_devices_that_cannot_be_fitted_are_refused():
    with pytest.raises(ValueError, match="Ideal has no pulse response"):
        fit(Ideal(), [1, -1], GOOD)
    with pytest.raises(ValueError, match=r"SoftBounds has no .* such as SoftBounds\(\)"):
        fit(SoftBounds, [1, -1], GOOD)
    with pytest.raises(ValueError, match=r"w_max must be at least 0, got -1"):
        fit(SoftBounds(w_max=-1.0), [1, -1], GOOD)


@pytest.mark.slow
def test_a_log_normal_population_is_that_of_its_gains_with_and_without_imbalance():
    for up_down, fields in ((0.5, None), (0.0, ("dw_min", "w_max", "w_min"))):
        true = dataclasses.replace(
            SoftBounds(dw_min=0.05, dw_min_dtod_log_normal=True).without_variation(),
            dw_min_dtod=0.5, up_down=up_down,
        )  # fmt: skip
        start = SoftBounds(dw_min_dtod_log_normal=True)
        report = fit(start, PULSES, curves(true, PULSES, count=5), fields=fields, read_noise=0.0)
        gains = np.log(true.sample(jax.random.split(jax.random.key(0))[0], (5,)).step_up)
        assert report.values["dw_min"] == pytest.approx(np.exp(gains.mean()), rel=0.01)
        assert report.values["dw_min_dtod"] == pytest.approx(gains.std(ddof=1), rel=0.01)


@pytest.mark.parametrize(
    ("device", "count"),
    [
        pytest.param(ExpStep(), 120, marks=pytest.mark.slow),
        (SoftBounds(dw_min=0.05), 3),
    ],
)
def test_a_curve_without_noise_has_no_read_noise(device, count):
    pulses = np.repeat([1, -1, 1], 40)[:count]
    (curve,) = curves(mean_device(device, 0.0), pulses)
    report = fit(type(device)(), pulses, curve)
    assert report.read_noise == 0
    assert report.residual < 1e-6


def test_a_subtracted_symmetric_point_shows_the_mean_reference():
    settings = {"w_max": 1.0, "w_min": -1.0, "subtract_symmetry_point": True}
    true = SoftBoundsReference(dw_min=0.1, reference_mean=0.2, **settings)
    (curve,) = curves(mean_device(true, 0.0), PULSES)
    report = fit(SoftBoundsReference(subtract_symmetry_point=True), PULSES, curve, read_noise=0.0)
    wanted = {"dw_min": 0.1, "w_max": 1.0, "w_min": -1.0, "reference_mean": 0.2}
    assert report.values == pytest.approx(wanted, abs=1e-4)
