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


def test_a_scaled_schedule_keeps_nine_refits_and_the_order_of_events() -> None:
    for epochs in (10, 20, 50, 100, 500):
        schedule = AMPLSchedule().scaled(epochs=epochs, steps_per_epoch=80)
        refits = [done for done in range(1, epochs) if done % schedule.retrain_period == 0]
        assert len(refits) == 9
        assert schedule.imitates(1)
        assert schedule.real_rows(1) == 512
        assert schedule.real_rows(epochs) == 256
        assert schedule.steps_per_epoch == 80
    assert AMPLSchedule().scaled() == AMPLSchedule()


def test_a_run_of_no_epochs_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="epochs is 0"):
        AMPLSchedule().scaled(epochs=0)
