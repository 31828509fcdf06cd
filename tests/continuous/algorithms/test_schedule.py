"""AMPL's schedule: the published numbers, and their shape on a smaller scale."""

import pytest

from ampl.errors import InvalidArgumentError
from continuous.algorithms.ampl.schedule import AMPLSchedule


def test_real_rows_of_the_published_runs() -> None:
    """Facts of the released code: 512 rows up to epoch 45, then five epochs on each step down to 256 from epoch 66."""
    schedule = AMPLSchedule()
    expected = {1: 512, 40: 512, 45: 512, 46: 460, 50: 460, 51: 409, 55: 409, 56: 358, 60: 358, 61: 307, 65: 307}
    assert {epoch: schedule.real_rows(epoch) for epoch in expected} == expected
    assert schedule.real_rows(66) == schedule.real_rows(1000) == 256


def test_counts_of_the_published_runs() -> None:
    schedule = AMPLSchedule()
    assert (schedule.rollout_period, schedule.rollout_transitions, schedule.buffer_capacity) == (250, 32_000, 640_000)
    assert [epoch for epoch in (40, 41) if schedule.imitates(epoch)] == [40]
    assert (schedule.retrain_period, schedule.epochs, schedule.start_states) == (100, 1000, 100_000)


def test_without_model_rows_nothing_is_rolled_out() -> None:
    assert not any(AMPLSchedule(real_fraction=1.0).rolls_out(epoch) for epoch in range(1, 1001))
    published = AMPLSchedule()
    assert next(epoch for epoch in range(1, 1001) if published.rolls_out(epoch)) == 41  # 5 before the first use


def refits(epochs: int) -> int:
    period = AMPLSchedule().scaled(epochs=epochs).retrain_period
    return sum(done % period == 0 for done in range(1, epochs))


def test_a_multiple_of_ten_epochs_keeps_nine_refits_and_other_numbers_have_7_to_13() -> None:
    assert {refits(epochs) for epochs in range(10, 1001, 10)} == {9}
    assert {refits(epochs) for epochs in range(10, 1001)} == {*range(7, 14)}


def test_real_fractions_of_scaled_runs_end_later_in_proportion() -> None:
    """Each of the five steps down takes an epoch at least."""
    for epochs, last in {10: 7, 20: 7, 50: 8, 1000: 66}.items():
        schedule = AMPLSchedule().scaled(epochs=epochs)
        rows = [schedule.real_rows(epoch) for epoch in range(1, epochs + 1)]
        assert rows.index(256) + 1 == last


@pytest.mark.parametrize(
    ("steps", "length", "collected", "kept"),
    [
        (1000, 1, 32_000, 5.0),
        (1000, 3, 34_560, 4.63),
        (1000, 5, 37_120, 4.31),
        (104, 1, 3328, 5.0),
        (104, 3, 6144, 2.71),
        (104, 5, 10_240, 1.63),
        (64, 5, 10_240, 1.0),
        (8, 3, 768, 1.67),
    ],
)
def test_rollouts_of_short_epochs_collect_up_to_h_times_what_they_ask_for(
    steps: int, length: int, collected: int, kept: float
) -> None:
    schedule = AMPLSchedule(steps_per_epoch=steps, rollout_length=length)
    assert schedule.paths * length == collected <= length * schedule.rollout_transitions
    assert schedule.epochs_in_buffer == pytest.approx(kept, abs=0.01)


def test_a_scaled_schedule_keeps_the_order_of_events() -> None:
    for epochs in (10, 20, 50, 100, 500):
        schedule = AMPLSchedule().scaled(epochs=epochs, steps_per_epoch=80)
        assert schedule.imitates(1)
        assert schedule.real_rows(1) == 512
        assert schedule.real_rows(epochs) == 256
        assert schedule.steps_per_epoch == 80
    assert AMPLSchedule().scaled() == AMPLSchedule()


def test_a_run_of_no_epochs_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="epochs is 0"):
        AMPLSchedule().scaled(epochs=0)
