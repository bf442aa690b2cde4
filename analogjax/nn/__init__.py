"""Flax layers whose products go through a crossbar, and which expose the factors (x, delta).

A summed gradient does not say what pulses an array receives; its factors do. The layers of
:mod:`analogjax.nn.linen` and :mod:`analogjax.nn.nnx` hand them to the rules' ``factors=``: each
sample, each position of a convolution, each call of a shared layer and each step of a recurrent one
is a vector of its own.
"""

from analogjax.nn._analog import Analog as Analog
from analogjax.nn._factors import gather_factors as gather_factors
from analogjax.nn._labels import labels as labels
from analogjax.nn._mapping import Mapping as Mapping
from analogjax.nn._patches import extract_patches as extract_patches
from analogjax.pulses import Factors as Factors

__all__ = ["Analog", "Factors", "Mapping", "extract_patches", "gather_factors", "labels"]
