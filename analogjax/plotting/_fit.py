"""How well a device fits measured curves."""

import jax
import numpy as np

from analogjax.devices import Device
from analogjax.plotting._responses import pulse_response


def plot_fit(axes, device: Device, pulses: np.ndarray, conductance: np.ndarray) -> None:
    """Draws measured curves and what the fitted mean device does under the same pulses.

    Args:
      axes: matplotlib axes.
      device: the fitted device.
      pulses: directions, -1, 0 or +1, ``(n,)``.
      conductance: measured weights, ``(n + 1,)`` or ``(curves, n + 1)``.

    Example:
      >>> import numpy as np
      >>> from matplotlib.figure import Figure
      >>> from analogjax.devices import SoftBounds
      >>> from analogjax.plotting import plot_fit
      >>> axes = Figure().subplots()
      >>> plot_fit(axes, SoftBounds.with_states(4), np.ones(2), np.array([0.0, 0.4, 0.8]))
      >>> axes.get_lines()[-1].get_ydata().tolist()  # The fitted mean device.
      [0.0, 0.5, 0.75]
    """
    measured = np.atleast_2d(conductance)
    count = np.arange(measured.shape[1])
    start = float(measured[:, 0].mean())
    mean = device.without_variation()
    fitted = pulse_response(jax.random.key(0), mean, pulses, crosspoints=1, w=start)[:, 0]
    if len(measured) > 1:
        low, high = np.percentile(measured, [10, 90], axis=0)
        axes.fill_between(
            count, low, high, color="C0", alpha=0.2, lw=0, label="measured, 10 to 90 %"
        )
        axes.plot(count, measured.mean(0), color="C0", lw=1.2, label="measured, mean")
    else:
        axes.plot(count, measured[0], ".", color="C0", ms=4, label="measured")
    axes.plot(count, fitted, color="black", lw=1.4, label="fitted mean device")
    axes.set(xlabel="pulse", ylabel="weight")
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3}
    axes.legend(**above, fontsize="small", frameon=False)
