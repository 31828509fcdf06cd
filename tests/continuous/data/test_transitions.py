"""Transitions of both modes against plain loops written from the fact tables, and against D4RL's own function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from continuous.data.d4rl_file import D4RLData
from continuous.data.episodes import episode_returns, find_episodes, start_states
from continuous.data.transitions import exact_rows, model_rows, transition_table
from continuous.replay.buffers import TransitionTable
from continuous.tasks.registry import Task, TransitionMode
from tests.continuous.data.d4rl_samples import (
    HOPPER,
    UMAZE,
    arrays_of,
    d4rl_function,
    environment_with,
    hopper_data,
    maze_data,
    without,
)

SHORT = replace(HOPPER, episode_limit=3)


def flagged(terminals: list[int], timeouts: list[int], stored: bool = True) -> D4RLData:
    """Numbered rows with the given flags."""
    rows = len(terminals)
    numbers = np.arange(rows, dtype=np.float32)
    return D4RLData(
        observations=np.tile(numbers[:, None], (1, 11)),
        actions=np.tile(numbers[:, None] / 100, (1, 3)),
        rewards=numbers * 10,
        terminals=np.array(terminals, np.bool_),
        timeouts=np.array(timeouts, np.bool_),
        timeouts_stored=stored,
    )


def by_the_table(data: D4RLData, task: Task) -> list[int]:
    """The rows that are kept: the table of D4RL's qlearning_dataset, row by row."""
    kept, counter = [], 0
    for row in range(data.n_rows - 1):
        end = data.timeouts[row] if data.timeouts_stored else counter == task.episode_limit - 1
        if end:
            counter = 0  # dropped; the next row counts 0
            continue
        kept.append(row)
        counter = 1 if data.terminals[row] else counter + 1  # set to 0 and incremented in the same pass
    return kept


def assert_rows(found: TransitionTable, data: D4RLData, rows: NDArray[np.int64]) -> None:
    """Each next state is the next row's."""
    np.testing.assert_array_equal(found.state, data.observations[rows])
    np.testing.assert_array_equal(found.action, data.actions[rows])
    np.testing.assert_array_equal(found.reward, data.rewards[rows])
    np.testing.assert_array_equal(found.next_state, data.observations[rows + 1])
    np.testing.assert_array_equal(found.terminal, data.terminals[rows])
    np.testing.assert_array_equal(found.start_state, start_states(data))


flags = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@given(flags=flags, stored=st.booleans(), limit=st.integers(2, 6))
def test_d4rl_facts_2_exact_mode_is_the_table_of_qlearning_dataset(
    flags: list[tuple[bool, bool]], stored: bool, limit: int
) -> None:
    task = replace(HOPPER, episode_limit=limit)
    data = flagged([int(flag) for flag, _ in flags], [int(flag) for _, flag in flags], stored)
    assert exact_rows(data, task).tolist() == by_the_table(data, task)


@given(flags=flags, stored=st.booleans(), limit=st.integers(2, 6))
def test_exact_mode_is_bit_for_bit_what_the_installed_d4rl_package_returns(
    flags: list[tuple[bool, bool]], stored: bool, limit: int
) -> None:
    task = replace(HOPPER, episode_limit=limit)
    data = flagged([int(flag) for flag, _ in flags], [int(flag) for _, flag in flags], stored)
    theirs = d4rl_function("qlearning_dataset")(environment_with(task), arrays_of(data))
    if not len(theirs["rewards"]):
        assert not len(exact_rows(data, task))
        return
    ours = transition_table(data, task, TransitionMode.EXACT)
    names = {"observations": ours.state, "actions": ours.action, "rewards": ours.reward}
    for name, column in (names | {"next_observations": ours.next_state, "terminals": ours.terminal}).items():
        assert column.numpy().dtype == theirs[name].dtype
        assert column.numpy().tobytes() == theirs[name].tobytes()


@pytest.mark.parametrize(
    ("terminal", "timeout", "kept", "done"),
    [(0, 0, True, False), (1, 0, True, True), (0, 1, False, None), (1, 1, False, None)],
)
def test_d4rl_facts_2_the_four_flag_combinations(terminal: int, timeout: int, kept: bool, done: Any) -> None:
    found = transition_table(flagged([0, terminal, 0, 0], [0, timeout, 0, 0]), HOPPER, TransitionMode.EXACT)
    assert (1.0 in found.state[:, 0]) is kept
    if kept:
        assert found.terminal[1] == done
        assert found.next_state[1, 0] == 2.0  # the next row, whichever episode it belongs to


def test_d4rl_facts_2_without_timeouts_a_terminal_makes_the_next_counted_end_one_step_early() -> None:
    found = exact_rows(flagged([0, 1, 0, 0, 0, 0, 0, 0, 0], [0] * 9, stored=False), SHORT)
    assert found.tolist() == [0, 1, 2, 4, 5, 7]  # row 3 is dropped after two rows, row 6 after three


def test_d4rl_facts_2_a_terminal_at_the_counted_limit_is_lost_and_the_counter_starts_at_0() -> None:
    found = exact_rows(flagged([0, 0, 1, 0, 0, 0, 0], [0] * 7, stored=False), SHORT)
    assert found.tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize(("rows", "limit", "expected"), [(1_000_000, 1000, 999_000), (202_000, 1000, 201_798)])
def test_d4rl_facts_2_sizes_of_halfcheetah_medium_and_medium_replay(rows: int, limit: int, expected: int) -> None:
    ends = [int(row % limit == limit - 1) for row in range(rows)]
    assert len(exact_rows(flagged([0] * rows, ends), HOPPER)) == expected


def test_model_mode_keeps_every_row_with_its_own_next_observation() -> None:
    data = hopper_data()
    found = transition_table(data, HOPPER)
    np.testing.assert_array_equal(found.state, data.observations)
    np.testing.assert_array_equal(found.next_state, data.next_observations)
    np.testing.assert_array_equal(found.terminal, data.terminals)
    assert (found.next_state[data.terminals, 0] == 0.5).all()


@given(flags=flags)
def test_model_mode_without_next_observations_never_pairs_rows_of_two_episodes(flags: list[tuple[bool, bool]]) -> None:
    data = flagged([int(flag) for flag, _ in flags], [int(flag) for _, flag in flags])
    expected = [row for row in range(data.n_rows - 1) if not flags[row][0] and not flags[row][1]]
    assert model_rows(data).tolist() == expected
    if expected:
        assert_rows(transition_table(data, HOPPER), data, np.array(expected))


def test_d4rl_facts_5_model_mode_leaves_out_the_maze_rows_that_span_two_simulator_steps() -> None:
    data = maze_data(30)
    repeats = np.flatnonzero(data.timeouts[:-1]) + 1
    expected = [row for row in range(29) if not data.timeouts[row] and row not in repeats]
    assert_rows(transition_table(data, UMAZE), data, np.array(expected))


def test_a_file_without_any_transition_is_an_error() -> None:
    data = flagged([0], [0])
    with pytest.raises(InvalidFileError, match="no transition"):
        transition_table(data, HOPPER, TransitionMode.EXACT)
    with pytest.raises(InvalidFileError, match="no transition"):
        transition_table(without(data), UMAZE, TransitionMode.MODEL)


def test_episodes_end_at_terminals_and_timeouts_and_the_last_may_be_incomplete() -> None:
    data = flagged([0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0])
    episodes = find_episodes(data)
    assert list(zip(episodes.start, episodes.stop, episodes.complete, strict=True)) == [
        (0, 2, True),
        (2, 4, True),
        (4, 6, False),
    ]
    assert episode_returns(data).tolist() == [10.0, 50.0]
    assert start_states(data)[:, 0].tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize("mode", list(TransitionMode))
def test_transitions_know_their_episodes_return_and_whether_it_is_complete(mode: TransitionMode) -> None:
    """Also where some of the transitions are selected or other columns are changed."""
    table = transition_table(flagged([0, 0, 1, 0, 0, 0], [0] * 6), HOPPER, mode)
    for found in (table, table.changed(reward=-table.reward), table.selected(torch.arange(1, 4))):
        whole = found.state[:, 0] < 3.0  # the first three rows, which are numbered
        torch.testing.assert_close(found.episode_complete, whole)
        torch.testing.assert_close(found.episode_return, torch.where(whole, 30.0, 120.0))


@given(flags=flags)
def test_episodes_partition_the_rows(flags: list[tuple[bool, bool]]) -> None:
    data = flagged([int(flag) for flag, _ in flags], [int(flag) for _, flag in flags])
    episodes = find_episodes(data)
    rows = [row for start, stop in zip(episodes.start, episodes.stop, strict=True) for row in range(start, stop)]
    assert rows == list(range(data.n_rows))
    assert (episodes.length > 0).all()
    assert episodes.complete[:-1].all()


def test_returns_are_summed_in_double_precision() -> None:
    data = flagged([0] * 1000, [0] * 999 + [1])
    data = replace(data, rewards=np.full(1000, 0.1, np.float32))
    assert episode_returns(data)[0] == pytest.approx(1000 * float(np.float32(0.1)), rel=1e-12)
