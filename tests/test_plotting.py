"""Figures: what they show is what the devices and the runs did."""

import jax
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from analogjax.devices import ConstantStep, Ideal, OneSidedPair, SoftBounds, VectorCell
from analogjax.plotting import (
    plot_accuracy,
    plot_accuracy_against_cost,
    plot_accuracy_over_time,
    plot_fit,
    plot_heat_map,
    plot_pulse_response,
    plot_response_factors,
    plot_symmetry,
    pulse_response,
)

DEVICE = SoftBounds.with_states(4)
PULSES = np.array([1, 1, 0, -1, -1, 1])


@pytest.fixture
def axes():
    figure = Figure(layout="constrained")
    yield figure.subplots()
    figure.canvas.draw()  # Warnings of the drawing itself are errors too.


def band(axes):
    """The band's lower and upper edge at each abscissa."""
    (collection,) = (c for c in axes.collections if isinstance(c, PolyCollection))
    points = collection.get_paths()[0].vertices
    xs = np.unique(points[:, 0])
    edges = [points[points[:, 0] == x, 1] for x in xs]
    return xs, np.array([e.min() for e in edges]), np.array([e.max() for e in edges])


def test_a_device_without_noise_answers_as_recorded(recorded):
    case = "soft_bounds_4_states"
    settings, curve = recorded("pulse_response", case)
    del settings["device"]
    device = SoftBounds(**settings).without_variation()
    trace = pulse_response(jax.random.key(0), device, curve["pulses"], crosspoints=3)
    assert trace.shape == (len(curve["pulses"]) + 1, 3)
    np.testing.assert_allclose(trace, np.tile(curve[case][:, None], 3), rtol=0, atol=1e-6)


def test_devices_differ_start_where_they_are_programmed_and_rest_without_a_pulse():
    trace = pulse_response(jax.random.key(0), DEVICE, PULSES, crosspoints=50, w=0.25)
    np.testing.assert_array_equal(trace[0], 0.25)
    np.testing.assert_array_equal(trace[3], trace[2])
    assert len(np.unique(trace[1])) > 40


def test_cells_of_several_conductances_answer_with_their_weight(axes):
    cell = VectorCell(devices=(DEVICE, DEVICE), update_policy="in_turn").without_variation()
    trace = pulse_response(jax.random.key(0), cell, np.ones(3), crosspoints=1)
    np.testing.assert_allclose(trace[:, 0], [0.0, 0.25, 0.5, 0.625])
    plot_pulse_response(axes, cell, cycles=1)


def test_the_band_of_equal_devices_is_the_line_of_the_mean_device(axes):
    plot_pulse_response(axes, DEVICE.without_variation(), cycles=1)
    mean = next(line for line in axes.lines if line.get_label() == "mean device")
    xs, low, high = band(axes)
    assert len(mean.get_ydata()) == len(xs) == 17
    np.testing.assert_allclose(low, mean.get_ydata(), atol=1e-6)
    np.testing.assert_allclose(high, mean.get_ydata(), atol=1e-6)


def test_the_band_of_devices_that_differ_is_wide_and_so_many_are_shown(axes):
    plot_pulse_response(axes, DEVICE, cycles=1, examples=3)
    _, low, high = band(axes)
    assert (high - low)[4:].min() > 0.1
    mean = next(line.get_ydata() for line in axes.lines if line.get_label() == "mean of 200")
    assert np.all((low <= mean) & (mean <= high))
    assert sum(len(line.get_xdata()) == 17 for line in axes.lines) == 3 + 2


def test_pulses_turn_after_as_many_as_asked(axes):
    plot_pulse_response(axes, DEVICE, half=3, cycles=2)
    assert {len(line.get_xdata()) for line in axes.lines} >= {13}
    assert "3 up, 3 down" in axes.get_xlabel()


def test_the_response_factors_are_those_of_the_mean_device(axes):
    plot_response_factors(axes, SoftBounds(w_max=1.0, w_min=-0.5))
    up, down = axes.lines[:2]
    np.testing.assert_allclose(up.get_ydata(), 1 - up.get_xdata(), atol=1e-6)
    np.testing.assert_allclose(down.get_ydata(), 1 + 2 * down.get_xdata(), atol=1e-6)


def test_the_symmetric_point_lies_where_the_drift_is_zero(axes):
    plot_symmetry(axes, SoftBounds(up_down=0.2))
    drift = next(line for line in axes.lines if line.get_label().startswith("$G$"))
    point = next(line for line in axes.lines if line.get_marker() == "o")
    at = np.interp(0.0, drift.get_ydata(), drift.get_xdata())
    assert point.get_xdata()[0] == pytest.approx(at, abs=1e-4)
    assert point.get_xdata()[0] > 0.05


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (OneSidedPair(device=ConstantStep()), "OneSidedPair is of several conductances, .*: give"),
        (VectorCell(devices=(DEVICE,)), "VectorCell is of several conductances, .*: give"),
        (Ideal(), "finite range, got Ideal from -inf to inf: give a device with finite w_min"),
        (ConstantStep(w_max=np.inf), "finite range, got ConstantStep from -0.6 to inf: give"),
    ],
)
@pytest.mark.parametrize("plot", [plot_response_factors, plot_symmetry])
def test_a_device_without_one_response_over_a_finite_range_cannot_be_drawn(
    axes, plot, device, message
):
    with pytest.raises(ValueError, match=message):
        plot(axes, device)


@pytest.mark.parametrize("crosspoints", [1, 20])
def test_a_fit_is_drawn_over_what_was_measured(axes, crosspoints):
    measured = pulse_response(jax.random.key(0), DEVICE, PULSES, crosspoints=crosspoints, w=0.2).T
    plot_fit(axes, DEVICE, PULSES, measured)
    fitted = next(line for line in axes.lines if line.get_label() == "fitted mean device")
    mean = DEVICE.without_variation()
    expected = pulse_response(jax.random.key(1), mean, PULSES, crosspoints=1, w=0.2)[:, 0]
    np.testing.assert_allclose(fitted.get_ydata(), expected, atol=1e-6)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), measured.mean(0), atol=1e-6)
    assert len(axes.collections) == (crosspoints > 1)


def test_the_band_of_accuracies_holds_their_mean_in_percent(axes):
    accuracy = np.random.default_rng(0).uniform(size=(4, 3))
    plot_accuracy(axes, {"Analog SGD": accuracy})
    xs, low, high = band(axes)
    line = axes.lines[0].get_ydata()
    np.testing.assert_array_equal(xs, [1, 2, 3, 4])
    np.testing.assert_allclose(line, 100 * accuracy.mean(1))
    np.testing.assert_allclose(low, 100 * accuracy.min(1))
    np.testing.assert_allclose(high, 100 * accuracy.max(1))


RUNS = [
    "Digital SGD", "Analog SGD", "Tiki-Taka", "Tiki-Taka v2", "Chopped Tiki-Taka", "AGAD",
    "Mixed precision", "Residual learning v2", "Residual learning, 12 tiles",
    "Residual learning, 2 tiles", *(f"Buffered residual learning, {n} tiles" for n in range(2, 9)),
]  # fmt: skip


def looks(lines):
    """The colour and the marker of each line, by its label."""
    return {line.get_label(): (str(line.get_color()), line.get_marker()) for line in lines}


def test_one_seed_has_no_band_and_every_curve_a_look_of_its_own(axes):
    plot_accuracy(axes, {name: np.linspace(0.1, 0.9, 5)[:, None] for name in RUNS})
    assert not axes.collections
    found = looks(axes.lines)
    assert list(found) == RUNS
    assert len(set(found.values())) == len(RUNS)


def test_residual_learning_is_the_darker_the_more_tiles_and_its_version_2_is_no_chain(axes):
    plot_accuracy(axes, {name: np.ones((2, 1)) for name in RUNS})
    colors = {line.get_label(): line.get_color() for line in axes.lines}
    greens = {name: sum(color[:3]) for name, color in colors.items() if isinstance(color, tuple)}
    assert sorted(greens, key=greens.get) == [RUNS[8], RUNS[9]]


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_epochs_are_whole_numbers(axes, epochs):
    plot_accuracy(axes, {"run": np.ones((epochs, 1))})
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks == list(range(1, epochs + 1))


def test_accuracy_over_time_has_readable_times_and_one_colour_a_network(axes):
    times = np.array([1.0, 3600.0, 86400.0, 3.2e7])
    held, faded = np.random.default_rng(0).uniform(size=(2, 3, 4))
    plot_accuracy_over_time(axes, times, {"net": held}, uncompensated={"net": faded})
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ["1 s", "1 min", "1 h", "1 day", "1 month", "1 year"]
    solid, dashed = axes.lines
    np.testing.assert_allclose(solid.get_ydata(), 100 * held.mean(0))
    np.testing.assert_allclose(dashed.get_ydata(), 100 * faded.mean(0))
    assert solid.get_color() == dashed.get_color()
    xs, low, high = band(axes)
    np.testing.assert_allclose(xs, times)
    np.testing.assert_allclose(high - low, 200 * held.std(0))


@pytest.mark.parametrize(
    ("width", "times", "words", "rotation"),
    [
        (8.0, [1.0, 9e7], ["1 s", "1 min", "1 h", "1 day", "1 month", "1 year"], 0),
        (5.0, [1.0, 9e7], ["1 s", "1 min", "1 h", "1 day", "1 month", "1 year"], 45),
        (5.0, [2.0, 20.0], ["2 s", "20 s"], 0),
        (5.0, [5400.0, 1e5, 1.73e5], ["1.5 h", "1 day", "2 days"], 0),
    ],
)
def test_times_have_two_labels_at_least_and_slant_where_they_would_meet(
    width, times, words, rotation
):
    axes = Figure(figsize=(width, 3.5)).subplots()
    plot_accuracy_over_time(axes, times, {"net": np.ones((1, len(times)))})
    labels = axes.get_xticklabels()
    assert [label.get_text() for label in labels] == words
    assert {label.get_rotation() for label in labels} == {rotation}


@pytest.mark.parametrize(
    ("columns", "numbers", "labels", "rotation"),
    [(3, 6, 3, 0), (12, 24, 12, 45), (40, 0, 14, 45)],
)
def test_the_numbers_and_labels_of_a_heat_map_fit_or_are_left_out(
    columns, numbers, labels, rotation
):
    rows = [{"x": 0.125 + i, "y": j, "v": 11.1} for i in range(columns) for j in range(2)]
    figure = Figure(figsize=(5.1, 3.8), layout="constrained")
    axes = figure.subplots()
    figure.colorbar(plot_heat_map(axes, rows, "x", "y", "v"), ax=axes)
    figure.draw_without_rendering()
    assert len(axes.texts) == numbers
    assert all(text.get_window_extent().width < axes.bbox.width / columns for text in axes.texts)
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {rotation}
    assert len(axes.get_xticklabels()) == labels


def test_time_zero_has_no_place_on_a_logarithmic_axis(axes):
    with pytest.raises(ValueError, match=r"must be above 0, got 0.0"):
        plot_accuracy_over_time(axes, [0.0, 1.0], {"net": np.ones((1, 2))})


def test_the_front_climbs_over_runs_that_are_not_beaten_and_runs_without_a_cost_are_lines(axes):
    costs = {"cheap": 1.0, "beaten": 5.0, "best": 10.0, "dear": 20.0}
    ends = {"free": [0.99], "cheap": [0.5, 0.7], "beaten": [0.4], "best": [0.9], "dear": [0.8]}
    plot_accuracy_against_cost(axes, costs, ends)
    front, line, *points = axes.get_lines()
    assert front.get_xdata().tolist() == [1.0, 10.0, 20.0]
    np.testing.assert_allclose(front.get_ydata(), [60.0, 90.0, 90.0])
    assert (line.get_label(), line.get_linestyle()) == ("free", "--")
    where = [(*point.get_xdata(), *point.get_ydata()) for point in points]
    np.testing.assert_allclose(where, [(1, 60), (5, 40), (10, 90), (20, 80)])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("cost", "test accuracy (%)")
    with pytest.raises(ValueError, match=r"must be above 0, got \{'cheap': 0\.0\}"):
        plot_accuracy_against_cost(axes, {"cheap": 0.0}, ends)


def test_every_point_and_every_line_has_a_look_of_its_own(axes):
    costs = dict.fromkeys(RUNS[2:], 1.0)
    plot_accuracy_against_cost(axes, costs, dict.fromkeys(RUNS, (0.5,)))
    handles, names = axes.get_legend_handles_labels()
    shown = [getattr(handle, "lines", [handle])[0] for handle in handles]
    found = {(str(line.get_color()), line.get_marker(), line.get_linestyle()) for line in shown}
    assert len(found) == len(names) == len(RUNS) + 1  # And the front.
