"""What each stage of a pipeline does in each clock, and what can be counted in it."""

from typing import NamedTuple

import numpy as np

from analogjax.pipeline._schedule import Schedule, check_schedule
from analogjax.pipeline._whole import check_whole

IDLE = -1


class Timetable(NamedTuple):
    """What each stage of a pipeline does in each clock.

    Attributes:
      forward: number of the micro-batch that goes forward through a stage in a clock, from 0,
        ``(clocks, stages)``; -1 where there is none.
      backward: that whose errors go back, likewise.
      shared: whether a stage can make a forward and a backward pass in one clock.
    """

    forward: np.ndarray
    backward: np.ndarray
    shared: bool

    @property
    def clocks(self) -> int:
        """Clocks until the last update of the first stage."""
        return len(self.forward)

    @property
    def density(self) -> float:
        """The share of all passes that the stages could have made in that time."""
        passes = np.sum(self.forward != IDLE) + np.sum(self.backward != IDLE)
        return float(passes / ((1 + self.shared) * self.forward.size))

    @property
    def buffered(self) -> tuple[int, ...]:
        """The most micro-batches that each stage keeps for their backward pass at one time."""
        return _most(self.forward, self.backward)

    @property
    def held(self) -> tuple[int, ...]:
        """The same with those that have arrived at a stage and wait for their forward pass."""
        sent = np.concatenate([self.forward[:, :1], self.forward[:, :-1]], axis=1)
        return _most(sent, self.backward)


def _most(first: np.ndarray, last: np.ndarray) -> tuple[int, ...]:
    """The most that are in between at one time, that of the last clock included."""
    in_between = (first != IDLE).cumsum(axis=0)
    in_between[1:] -= (last != IDLE).cumsum(axis=0)[:-1]
    return tuple(map(int, in_between.max(axis=0)))


def timetable(
    schedule: Schedule, *, stages: int, mini_batches: int, shared: bool = False
) -> Timetable:
    """The clocks of a run of the pipeline, filled at its start and drained at its end.

    A pass of a micro-batch through a stage takes one clock, forward or back, and what it gives is
    there for the next stage in the next clock. Every stage makes its passes in the order that the
    schedule wants, each as soon as it can. By default a stage makes one pass a clock. With
    ``shared`` it can make one forward and then one backward pass in the same clock; such a clock
    takes twice as long on one array, but what is counted is the same.

    ===================  ==================================  ====================
    M stages             clocks of S mini-batches            density
    ===================  ==================================  ====================
    sequential           2MS                                 1 / M
    synchronous          2(M + B - 1)S                       B / (M + B - 1)
    asynchronous         2(M - 1) + 2S                       S / (M - 1 + S)
    sequential, shared   (2M - 1)S                           1 / (2M - 1)
    synchronous, shared  (2(M + B - 1) - 1)S                 B / (2(M + B - 1) - 1)
    asynchronous,        2(M - 1) + S                        S / (2(M - 1) + S)
    shared
    ===================  ==================================  ====================

    with delays of 2(M - m). A stage buffers at most one micro-batch, B, and 1 + 2(M - m).

    Args:
      schedule: how mini-batches go through the stages.
      stages: M.
      mini_batches: S, how many the pipeline is given.
      shared: whether a stage can make a forward and a backward pass in one clock.

    Returns:
      The timetable.

    Raises:
      ValueError: if a number is below 1, or the delays of the schedule are impossible.

    Example:
      >>> from analogjax.pipeline import Asynchronous, timetable
      >>> table = timetable(Asynchronous(), stages=2, mini_batches=4, shared=True)
      >>> table.forward.T.tolist(), table.backward.T.tolist()
      ([[0, 1, 2, 3, -1, -1], [-1, 0, 1, 2, 3, -1]], [[-1, -1, 0, 1, 2, 3], [-1, 0, 1, 2, 3, -1]])
    """
    check_schedule(schedule)
    for name, value in (("stages", stages), ("mini_batches", mini_batches)):
        check_whole(name, value)
    delays, parts = schedule.delays(stages), schedule.micro_batches
    total = mini_batches * parts
    forwarded, returned = [0] * stages, [0] * stages
    rows: list[tuple[list[int], list[int]]] = []
    while returned[0] < total:
        forward, backward = [IDLE] * stages, [IDLE] * stages
        # What stages give in this clock arrives in the next one.
        arrived = [total, *forwarded[:-1]]
        errors = [*returned[1:], total]
        for m, delay in enumerate(delays):
            # The weights of so many updates are those that these micro-batches go forward through.
            due = min((returned[m] // parts + 1 + delay) * parts, total)
            if forwarded[m] < due:
                if forwarded[m] == arrived[m]:
                    continue
                forward[m] = forwarded[m]
                forwarded[m] += 1
                if not shared or forwarded[m] < due:
                    continue
            if returned[m] < errors[m]:
                backward[m] = returned[m]
                returned[m] += 1
        rows.append((forward, backward))
    table = np.array(rows)
    return Timetable(table[:, 0], table[:, 1], shared)
