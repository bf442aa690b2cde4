"""Inference after training: what arrays make of the weights they were given, and training for it.

:func:`program` puts a trained network on arrays, :func:`keep_tiles` leaves it on those it was
trained on; :func:`read` gives the parameters at any time after, as a :class:`NoiseModel` has them.
:func:`compensate` and :func:`recalibrate` bring back some of what drift takes,
:func:`accuracy_over_time` puts it all together, and :func:`perturb` and :func:`clip_weights` train
weights that stand it.

To add a noise model, write the two methods of :class:`NoiseModel` for one matrix.
"""

from analogjax.inference._accuracy_over_time import accuracy_over_time as accuracy_over_time
from analogjax.inference._batch_norm import recalibrate as recalibrate
from analogjax.inference._batch_norm import recalibrate_nnx as recalibrate_nnx
from analogjax.inference._clip_weights import clip_weights as clip_weights
from analogjax.inference._compensation import Response as Response
from analogjax.inference._compensation import compensate as compensate
from analogjax.inference._compensation import responses as responses
from analogjax.inference._deployment import Deployment as Deployment
from analogjax.inference._deployment import program as program
from analogjax.inference._deployment import read as read
from analogjax.inference._drift_only import DriftOnly as DriftOnly
from analogjax.inference._drift_only import FadingWeights as FadingWeights
from analogjax.inference._noise_model import NoiseModel as NoiseModel
from analogjax.inference._pcm_noise import ConductancePairs as ConductancePairs
from analogjax.inference._pcm_noise import PCMNoise as PCMNoise
from analogjax.inference._perturb import perturb as perturb
from analogjax.inference._trained_tiles import keep_tiles as keep_tiles

__all__ = [
    "ConductancePairs",
    "Deployment",
    "DriftOnly",
    "FadingWeights",
    "NoiseModel",
    "PCMNoise",
    "Response",
    "accuracy_over_time",
    "clip_weights",
    "compensate",
    "keep_tiles",
    "perturb",
    "program",
    "read",
    "recalibrate",
    "recalibrate_nnx",
    "responses",
]
