"""Published results as sweeps, each with its settings and what was published in one file."""

from analogjax.experiments.papers import (
    _asymmetry,
    _asymptotic_error,
    _bounds,
    _characters,
    _cycle_noise,
    _dynamics,
    _fashion,
    _four_states,
    _gamma,
    _implicit_penalty,
    _learning_rates,
    _multi_tile,
    _pipeline,
    _resnet,
    _responses,
    _staged_tiles,
    _symmetric_point,
)
from analogjax.experiments.papers._page import page, summary
from analogjax.experiments.papers._reproduction import Claim, Published, Reproduction, Scale

ALL = {
    module.REPRODUCTION.name: module.REPRODUCTION
    for module in (
        _learning_rates,
        _dynamics,
        _asymptotic_error,
        _implicit_penalty,
        _symmetric_point,
        _staged_tiles,
        _bounds,
        _responses,
        _cycle_noise,
        _multi_tile,
        _fashion,
        _four_states,
        _gamma,
        _asymmetry,
        _resnet,
        _characters,
        _pipeline,
    )
}

__all__ = ["ALL", "Claim", "Published", "Reproduction", "Scale", "page", "summary"]
