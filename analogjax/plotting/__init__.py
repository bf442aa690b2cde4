"""Figures: how a device answers pulses, how well it fits, how accuracy grows, fades and costs.

Every function draws into axes it is given, so that figures can be composed; matplotlib comes with
the extra ``analogjax[cli]``.
"""

from analogjax.plotting._accuracy import plot_accuracy as plot_accuracy
from analogjax.plotting._accuracy import plot_accuracy_against_cost as plot_accuracy_against_cost
from analogjax.plotting._fit import plot_fit as plot_fit
from analogjax.plotting._heat_map import plot_heat_map as plot_heat_map
from analogjax.plotting._over_time import plot_accuracy_over_time as plot_accuracy_over_time
from analogjax.plotting._responses import plot_pulse_response as plot_pulse_response
from analogjax.plotting._responses import plot_response_factors as plot_response_factors
from analogjax.plotting._responses import plot_symmetry as plot_symmetry
from analogjax.plotting._responses import pulse_response as pulse_response

__all__ = [
    "plot_accuracy",
    "plot_accuracy_against_cost",
    "plot_accuracy_over_time",
    "plot_fit",
    "plot_heat_map",
    "plot_pulse_response",
    "plot_response_factors",
    "plot_symmetry",
    "pulse_response",
]
