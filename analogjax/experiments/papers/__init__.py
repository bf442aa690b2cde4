"""Published results as sweeps, each with its settings and what was published in one file."""

from analogjax.experiments.papers import (
    _bounds,
    _cycle_noise,
    _dynamics,
    _multi_tile,
    _responses,
)
from analogjax.experiments.papers._reproduction import Claim, Published, Reproduction, Scale

ALL = {
    module.REPRODUCTION.name: module.REPRODUCTION
    for module in (
        _dynamics,
        _bounds,
        _responses,
        _cycle_noise,
        _multi_tile,
    )
}

__all__ = ["ALL", "Claim", "Published", "Reproduction", "Scale"]
