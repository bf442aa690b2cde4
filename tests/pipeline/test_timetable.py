"""Clocks, densities and buffers of a timetable against the closed forms."""

import itertools

import numpy as np
import pytest

from analogjax.pipeline import Asynchronous, Sequential, Synchronous, timetable

SIZES = list(itertools.product((1, 2, 3, 4, 8), (1, 2, 5, 40)))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    "schedule",
    [Sequential(), *(Synchronous(b) for b in (1, 2, 3, 7)), Asynchronous()],
    ids=lambda schedule: f"{type(schedule).__name__}{schedule.micro_batches}",
)
def test_clocks_densities_and_buffers_are_the_closed_forms(schedule, shared):
    for m, s in SIZES:
        table = timetable(schedule, stages=m, mini_batches=s, shared=shared)
        match schedule:
            case Sequential():
                clocks, buffered = (2 * m - shared) * s, [1] * m
            case Synchronous(micro_batches=b):
                clocks, buffered = (2 * (m + b - 1) - shared) * s, [b] * m
            case Asynchronous():
                clocks = 2 * (m - 1) + (s if shared else 2 * s)
                buffered = [min(1 + 2 * (m - n), s) for n in range(1, m + 1)]
        passes = 2 * s * schedule.micro_batches
        assert table.clocks == clocks
        assert table.density == pytest.approx(passes / ((1 + shared) * clocks))
        assert table.buffered == tuple(buffered)


def test_densities_as_they_are_known():
    assert timetable(Sequential(), stages=4, mini_batches=3).density == pytest.approx(1 / 4)
    assert timetable(Synchronous(5), stages=4, mini_batches=3).density == pytest.approx(5 / 8)
    assert timetable(Asynchronous(), stages=8, mini_batches=700).density > 0.99


def test_with_one_pass_a_clock_half_the_delay_fills_the_pipeline_too():
    def clocks(schedule, **options):
        return timetable(schedule, stages=5, mini_batches=30, **options).clocks

    half = Asynchronous(lambda stage, stages: stages - stage)
    less = Asynchronous(lambda stage, stages: max(stages - stage - 1, 0))
    assert clocks(half) == clocks(Asynchronous()) < clocks(less)
    assert clocks(half, shared=True) > clocks(Asynchronous(), shared=True)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    "schedule",
    [Sequential(), Synchronous(3), Asynchronous(), Asynchronous(lambda m, n: 4)],
    ids=["sequential", "synchronous", "asynchronous", "delays of 4"],
)
def test_every_pass_comes_after_what_it_needs_and_with_the_weights_of_its_delay(schedule, shared):
    stages, parts = 4, schedule.micro_batches
    table = timetable(schedule, stages=stages, mini_batches=9, shared=shared)
    number = np.arange(9 * parts)
    at = {
        name: np.array([np.flatnonzero(np.isin(column, number)) for column in rows.T])
        for name, rows in (("forward", table.forward), ("backward", table.backward))
    }
    for rows in (table.forward, table.backward):
        assert all((column[column >= 0] == number).all() for column in rows.T)
    assert (np.diff(at["forward"], axis=0) > 0).all()
    assert (np.diff(at["backward"], axis=0) < 0).all()
    assert (at["backward"] - at["forward"] >= (0 if shared else 1)).all()
    if not shared:
        assert not ((table.forward >= 0) & (table.backward >= 0)).any()
    for stage, delay in enumerate(schedule.delays(stages)):
        updates = at["backward"][stage, parts - 1 :: parts]
        before = np.searchsorted(updates, at["forward"][stage])  # A backward pass comes second.
        assert (before == np.maximum(number // parts - delay, 0)).all()


@pytest.mark.parametrize(
    ("schedule", "sizes", "message"),
    [
        (Asynchronous(lambda stage, stages: stage), {}, "must not grow .* 1 for stage 1 and 2 for"),
        (Asynchronous(lambda stage, stages: -1), {}, "at least 0, got -1 for stage 1"),
        (Asynchronous(lambda stage, stages: 0.5), {}, "whole number of at least 0, got 0.5"),
        (Synchronous(0), {}, "micro_batches must be a whole number of at least 1, got 0"),
        (Sequential(), {"stages": 0}, "stages must be a whole number of at least 1, got 0"),
        (Sequential(), {"mini_batches": 0}, "mini_batches must be a whole number"),
    ],
)
def test_impossible_schedules_are_refused(schedule, sizes, message):
    with pytest.raises(ValueError, match=message):
        timetable(schedule, **{"stages": 3, "mini_batches": 2} | sizes)


def test_sizes_may_be_numbers_of_numpy():
    two, three = np.int64(2), np.int64(3)
    table = timetable(Synchronous(two), stages=three, mini_batches=two)
    expected = timetable(Synchronous(2), stages=3, mini_batches=2)
    np.testing.assert_array_equal(table.forward, expected.forward)


def test_what_is_no_schedule_is_refused():
    with pytest.raises(TypeError, match=r"must be Sequential\(\), .* got 'asynchronous'"):
        timetable("asynchronous", stages=2, mini_batches=2)


def test_a_delay_that_is_no_function_is_refused():
    with pytest.raises(TypeError, match=r"delay must be a function .* got 2"):
        timetable(Asynchronous(delay=2), stages=2, mini_batches=2)
