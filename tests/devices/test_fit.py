"""Fits of devices to measured curves: true values within the intervals, and honest ignorance."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import (
    ConstantStep,
    ExpStep,
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
    return np.asarray(_curves(jax.random.key(seed), device, jnp.asarray(pulses, jnp.int8), count))


@functools.partial(jax.jit, static_argnames="count")
def _curves(key, device, pulses, count):
    key_cells, key_pulses = jax.random.split(key)
    cells = device.sample(key_cells, (count,))
    start = jnp.broadcast_to(device.program(cells, jnp.zeros(())), (count,))

    def one_pulse(w, inputs):
        w = device.apply_pulse(*inputs[:1], cells, w, inputs[1])
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
