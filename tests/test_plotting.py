"""Figures: what they show is what the devices and the runs did."""

import jax
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from analogjax.devices import SoftBounds
from analogjax.plotting import plot_accuracy, plot_pulse_response, pulse_response

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
    assert sum(len(line.get_xdata()) == 17 for line in axes.lines) == 3 + 1


def test_the_band_of_accuracies_holds_their_mean_in_percent(axes):
    accuracy = np.random.default_rng(0).uniform(size=(4, 3))
    plot_accuracy(axes, {"Analog SGD": accuracy})
    xs, low, high = band(axes)
    line = axes.lines[0].get_ydata()
    np.testing.assert_array_equal(xs, [1, 2, 3, 4])
    np.testing.assert_allclose(line, 100 * accuracy.mean(1))
    np.testing.assert_allclose(low, 100 * accuracy.min(1))
    np.testing.assert_allclose(high, 100 * accuracy.max(1))


def test_one_seed_has_no_band_and_every_curve_a_colour_of_its_own(axes):
    names = ["Digital SGD", "Analog SGD", "Tiki-Taka", "Residual learning, 2 tiles",
             "Residual learning, 4 tiles"]  # fmt: skip
    plot_accuracy(axes, {name: np.linspace(0.1, 0.9, 5)[:, None] for name in names})
    assert not axes.collections
    assert [line.get_label() for line in axes.lines] == names
    assert len({str(line.get_color()) for line in axes.lines}) == len(names)
