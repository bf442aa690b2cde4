"""Pipeline-parallel training: a model cut into stages that work on different samples at once.

Weights that live in an array cannot be copied to others that would share the samples with it; but
arrays that follow each other can work on different samples. :func:`cut` makes stages of a model, a
:class:`Schedule` says how mini-batches go through them, :func:`pipeline_training` trains, simulated
on one device or on one for each stage, and :func:`timetable` counts clocks, density and buffers.
"""

from analogjax.pipeline._schedule import Asynchronous as Asynchronous
from analogjax.pipeline._schedule import Schedule as Schedule
from analogjax.pipeline._schedule import Sequential as Sequential
from analogjax.pipeline._schedule import Synchronous as Synchronous
from analogjax.pipeline._schedule import round_trip as round_trip
from analogjax.pipeline._stage import Stage as Stage
from analogjax.pipeline._stage import cut as cut
from analogjax.pipeline._state import PipelineState as PipelineState
from analogjax.pipeline._timetable import Timetable as Timetable
from analogjax.pipeline._timetable import timetable as timetable
from analogjax.pipeline._training import PipelineTraining as PipelineTraining
from analogjax.pipeline._training import pipeline_training as pipeline_training

__all__ = [
    "Asynchronous",
    "PipelineState",
    "PipelineTraining",
    "Schedule",
    "Sequential",
    "Stage",
    "Synchronous",
    "Timetable",
    "cut",
    "pipeline_training",
    "round_trip",
    "timetable",
]
