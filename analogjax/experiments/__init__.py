"""Data, models, the training loop, and the command line: the only part that does I/O."""

from analogjax.experiments._augment import cutout as cutout
from analogjax.experiments._augment import flip as flip
from analogjax.experiments._augment import shift as shift
from analogjax.experiments._auto_augment import auto_augment as auto_augment
from analogjax.experiments._checkpoint import Checkpoints as Checkpoints
from analogjax.experiments._data import DATASETS as DATASETS
from analogjax.experiments._data import ImageSet as ImageSet
from analogjax.experiments._data import load as load
from analogjax.experiments._least_squares import LeastSquares as LeastSquares
from analogjax.experiments._matrix import train_matrix as train_matrix
from analogjax.experiments._models import DigitsNet as DigitsNet
from analogjax.experiments._models import LeNet5 as LeNet5
from analogjax.experiments._models import SigmoidNet as SigmoidNet
from analogjax.experiments._resnet import ResNet as ResNet
from analogjax.experiments._resnet import ResNet18 as ResNet18
from analogjax.experiments._resnet import ResNet34 as ResNet34
from analogjax.experiments._stop import Stopped as Stopped
from analogjax.experiments._sweep import sweep as sweep
from analogjax.experiments._text import TextSet as TextSet
from analogjax.experiments._text import load_text as load_text
from analogjax.experiments._training import EpochMetrics as EpochMetrics
from analogjax.experiments._training import RunState as RunState
from analogjax.experiments._training import Training as Training
from analogjax.experiments._training import make_training as make_training
from analogjax.experiments._training import over_seeds as over_seeds
from analogjax.experiments._transformer import CharTransformer as CharTransformer

__all__ = [
    "DATASETS",
    "CharTransformer",
    "Checkpoints",
    "DigitsNet",
    "EpochMetrics",
    "ImageSet",
    "LeNet5",
    "LeastSquares",
    "ResNet",
    "ResNet18",
    "ResNet34",
    "RunState",
    "SigmoidNet",
    "Stopped",
    "TextSet",
    "Training",
    "auto_augment",
    "cutout",
    "flip",
    "load",
    "load_text",
    "make_training",
    "over_seeds",
    "shift",
    "sweep",
    "train_matrix",
]
