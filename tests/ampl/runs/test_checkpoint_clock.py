"""Checkpoints are neither too frequent nor, where they are large, too expensive."""

import pytest

import ampl.runs.checkpoint_clock
from ampl.errors import InvalidArgumentError
from ampl.runs.checkpoint_clock import CheckpointClock


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ampl.runs.checkpoint_clock.time, "monotonic", clock)
    return clock


def seconds_until_due(checkpoints: CheckpointClock, clock: Clock, *, saving: float) -> float:
    with checkpoints.saving():
        clock.now += saving
    end = clock.now
    while not checkpoints.is_due():
        clock.now += 1.0
    return clock.now - end


def test_quick_checkpoints_wait_for_the_least_time(clock: Clock) -> None:
    assert seconds_until_due(CheckpointClock(30.0, 0.05), clock, saving=1.0) == 30.0


def test_slow_checkpoints_take_no_more_than_their_share(clock: Clock) -> None:
    checkpoints = CheckpointClock(30.0, 0.05)
    assert seconds_until_due(checkpoints, clock, saving=10.0) == 190.0
    assert seconds_until_due(checkpoints, clock, saving=1.0) == 30.0  # the last one counts


def test_the_first_one_is_due_at_once(clock: Clock) -> None:
    assert CheckpointClock(30.0, 0.05).is_due()


@pytest.mark.parametrize(("seconds", "share"), [(-1.0, 0.5), (float("nan"), 0.5), (1.0, 0.0), (1.0, 1.5)])
def test_arguments_outside_their_range_are_errors(seconds: float, share: float) -> None:
    with pytest.raises(InvalidArgumentError):
        CheckpointClock(seconds, share)
