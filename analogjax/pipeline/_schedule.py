"""When each stage of a pipeline learns: the delay of each stage, and what is learned at once."""

import abc
import dataclasses
from collections.abc import Callable
from itertools import pairwise

from analogjax.pipeline._whole import check_whole, is_whole


class Schedule(abc.ABC):
    """How mini-batches go through the stages of a pipeline.

    Attributes:
      micro_batches: parts of a mini-batch that follow each other through the stages.
    """

    micro_batches: int

    @abc.abstractmethod
    def delays(self, stages: int) -> tuple[int, ...]:
        """How many updates each stage makes between a forward pass and its backward pass."""


@dataclasses.dataclass(frozen=True)
class Sequential(Schedule):
    """No pipeline: a mini-batch goes forward and back before the next one enters.

    Ordinary training, with one of M stages at work: 2M clocks a mini-batch, density 1/M.

    Example:
      >>> from analogjax.pipeline import Sequential, timetable
      >>> table = timetable(Sequential(), stages=4, mini_batches=10)
      >>> table.clocks, table.density
      (80, 0.25)
    """

    @property
    def micro_batches(self) -> int:  # type: ignore[override]
        """One: the mini-batch itself."""
        return 1

    def delays(self, stages: int) -> tuple[int, ...]:
        """None."""
        return (0,) * stages


@dataclasses.dataclass(frozen=True)
class Synchronous(Schedule):
    r"""A pipeline that is flushed at each update.

    The B micro-batches of a mini-batch follow each other through the stages, forward and then back,
    all of them with the same weights; then every stage sends the pulses of all their samples,

    .. math:: W_m \leftarrow \mathrm{pulse}\Big(W_m, -\frac{\alpha}{B}
              \sum_{b=1}^B \delta_{m,b}\,x_{m,b}^T\Big) .

    This is training on mini-batches, exactly. A stage keeps its inputs and errors of B
    micro-batches. 2(M + B - 1) clocks a mini-batch, density B / (M + B - 1).

    Attributes:
      micro_batches: B.

    Reference: synchronous pipelines of analog SGD: arXiv:2410.15155.

    Example:
      >>> from analogjax.pipeline import Synchronous, timetable
      >>> table = timetable(Synchronous(micro_batches=5), stages=4, mini_batches=10)
      >>> table.clocks, table.density, table.buffered
      (160, 0.625, (5, 5, 5, 5))
    """

    micro_batches: int

    def delays(self, stages: int) -> tuple[int, ...]:
        """None: no update comes between a forward pass and its backward pass."""
        return (0,) * stages


def round_trip(stage: int, stages: int) -> int:
    """2(M - m): the updates of stage m while a mini-batch goes on to stage M and comes back.

    Args:
      stage: m, from 1 on.
      stages: M.

    Example:
      >>> from analogjax.pipeline import round_trip
      >>> [round_trip(stage, 4) for stage in (1, 2, 3, 4)]
      [6, 4, 2, 0]
    """
    return 2 * (stages - stage)


@dataclasses.dataclass(frozen=True)
class Asynchronous(Schedule):
    r"""A pipeline that is never flushed, whose weights are stale.

    Stage m learns from every mini-batch k as soon as its errors come back. An array cannot keep its
    old weights (no weight stashing), so that the forward pass of k goes through weights that
    :math:`d_m` updates have changed when its errors go back:

    .. math::
        x_{m+1} &= \varphi(z_m), \quad z_m = W_m^{(k-d_m)} x_m \\
        \delta_m &= (W_{m+1}^{(k)T}\,\delta_{m+1}) \odot \varphi'(z_m) \\
        W_m^{(k+1)} &= \mathrm{pulse}(W_m^{(k)}, -\alpha\,\delta_m x_m^T)

    with x and z of the forward pass, which the stage keeps for so long, and :math:`W^{(0)}` before
    the first update. The last of M stages has no delay by default and density goes to 1.

    Attributes:
      delay: :math:`d_m` of ``(m, M)``, with m from 1 to M. It must not grow from stage to stage:
        later stages are passed later and come back sooner. By default 2(M - m), that of stages that
        make a forward and a backward pass in each clock; with one pass a clock, M - m does.

    Reference: asynchronous pipelines of analog SGD: arXiv:2410.15155; delays of 2(M - m) without
    weight stashing: Kosson et al., arXiv:2003.11666.

    Example:
      >>> from analogjax.pipeline import Asynchronous, timetable
      >>> Asynchronous().delays(4)
      (6, 4, 2, 0)
      >>> table = timetable(Asynchronous(), stages=4, mini_batches=10)
      >>> table.clocks, table.buffered
      (26, (7, 5, 3, 1))
      >>> half = Asynchronous(delay=lambda stage, stages: stages - stage)
      >>> half.delays(4), timetable(half, stages=4, mini_batches=10).clocks
      ((3, 2, 1, 0), 26)
    """

    delay: Callable[[int, int], int] = round_trip

    @property
    def micro_batches(self) -> int:  # type: ignore[override]
        """One: every mini-batch is learned by itself."""
        return 1

    def delays(self, stages: int) -> tuple[int, ...]:
        """The delay of each stage.

        Raises:
          TypeError: if the delay is no function.
          ValueError: if one is no whole number from 0 on, or larger than that of the stage before.
        """
        if not callable(self.delay):
            raise TypeError(
                f"delay must be a function of the numbers of a stage and of all stages, such as "
                f"lambda stage, stages: stages - stage, got {self.delay!r}."
            )
        found = tuple(self.delay(stage, stages) for stage in range(1, stages + 1))
        _check_delays(found)
        return found


def check_schedule(schedule: Schedule) -> None:
    """Raises an error for what is no schedule, or one without micro-batches."""
    if not isinstance(schedule, Schedule):
        raise TypeError(
            f"schedule must be Sequential(), Synchronous(...) or Asynchronous(...), got "
            f"{schedule!r}."
        )
    check_whole("micro_batches", schedule.micro_batches)


def _check_delays(delays: tuple[int, ...]) -> None:
    for stage, delay in enumerate(delays, 1):
        if not is_whole(delay, 0):
            raise ValueError(
                f"The delay of a stage must be a whole number of at least 0, got {delay} for stage "
                f"{stage}."
            )
    for stage, (before, delay) in enumerate(pairwise(delays), 2):
        if delay > before:
            raise ValueError(
                f"The delay must not grow from stage to stage, since later stages get their errors "
                f"sooner: got {before} for stage {stage - 1} and {delay} for stage {stage}."
            )
