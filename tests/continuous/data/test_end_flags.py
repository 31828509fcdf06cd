"""Ends of episodes under every customary name, names that are refused, and time-outs that a file does not store."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.errors import InvalidFileError
from continuous.data.check import diagnose
from continuous.data.column_names import MEANINGS, Meaning
from continuous.data.d4rl_data import D4RLData
from continuous.data.d4rl_file import read_d4rl
from continuous.data.dataset import load_dataset
from continuous.data.recipes import MakeOptions, find_recipe
from continuous.data.transitions import transition_table
from continuous.environments.maze2d.steps import TIMESTEP
from continuous.replay.buffers import TransitionTable
from continuous.tasks.registry import TransitionMode
from tests.continuous.data.d4rl_samples import HOPPER, UMAZE, arrays_of, write_plain

ROWS = 40
CUT = np.isin(np.arange(ROWS), (9, 19, 29))  # four episodes of ten rows
START = np.isin(np.arange(ROWS), (0, 10, 20, 30))
NUMBER = np.arange(ROWS) // 10 + 7
NOWHERE = np.zeros(ROWS, np.bool_)


def standing(**columns: Any) -> dict[str, Any]:
    """A hopper that stands, with the given columns in place of time-outs."""
    rng = np.random.default_rng(0)
    observations = rng.uniform(-0.1, 0.1, (ROWS, 11)).astype(np.float32)
    observations[:, 0] += 1.2
    actions = rng.uniform(-1, 1, (ROWS, 3)).astype(np.float32)
    arrays = {"observations": observations, "actions": actions, "rewards": np.ones(ROWS, np.float32)}
    return arrays | {"terminals": NOWHERE} | columns


def loaded(folder: Path, arrays: dict[str, Any], mode: TransitionMode = TransitionMode.MODEL) -> TransitionTable:
    path = write_plain(folder / "hopper_medium-v2.hdf5", arrays)
    return transition_table(load_dataset(HOPPER, path), HOPPER, mode)


def refused(folder: Path, arrays: dict[str, Any]) -> str:
    """The one line that says why."""
    with pytest.raises(InvalidFileError) as caught:
        loaded(folder, arrays)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def told(meaning: Meaning) -> Any:
    """The cuts as a column of this meaning tells them."""
    return {Meaning.START: START, Meaning.NUMBER: NUMBER}.get(meaning, CUT)


CUTTING = [name for name, meaning in MEANINGS.items() if meaning not in (Meaning.TERMINAL, Meaning.NEXT_OBSERVATION)]


@pytest.mark.parametrize("mode", list(TransitionMode))
@pytest.mark.parametrize("name", [*CUTTING, "infos/TimeLimit.truncated"])
def test_no_transition_joins_two_episodes_whatever_the_column_is_called(
    tmp_path: Path, name: str, mode: TransitionMode
) -> None:
    arrays = standing(**{name: told(MEANINGS[name.removeprefix("infos/")])})
    found = loaded(tmp_path, arrays, mode)
    kept = np.flatnonzero(~CUT[:-1])
    np.testing.assert_array_equal(found.state, arrays["observations"][kept])
    np.testing.assert_array_equal(found.next_state, arrays["observations"][kept + 1])
    assert not found.terminal.any()
    np.testing.assert_array_equal(found.start_state, arrays["observations"][START])


@pytest.mark.parametrize("name", ["terminals", "terminations", "terminated"])
@pytest.mark.parametrize("end", ["timeouts", "episode_terminals", "dones", "is_last", "episode_starts"])
def test_ends_of_the_task_and_cuts_are_told_apart(tmp_path: Path, name: str, end: str) -> None:
    fallen = np.isin(np.arange(ROWS), (19,))
    arrays = standing(**{end: told(MEANINGS[end]) & ~fallen if end == "timeouts" else told(MEANINGS[end])})
    del arrays["terminals"]
    read = read_d4rl(write_plain(tmp_path / "f", arrays | {name: fallen}), HOPPER)
    np.testing.assert_array_equal(read.terminals, fallen)
    np.testing.assert_array_equal(read.timeouts, CUT & ~fallen)


def test_dones_that_are_the_terminals_tell_nothing_of_cuts(tmp_path: Path) -> None:
    fallen = np.isin(np.arange(ROWS), (19,))
    read = read_d4rl(write_plain(tmp_path / "f", standing(terminals=fallen, dones=fallen)), HOPPER)
    assert not read.timeouts_stored
    assert not read.timeouts.any()


@pytest.mark.parametrize(
    ("name", "following"),
    [(name, True) for name, meaning in MEANINGS.items() if meaning is Meaning.NEXT_OBSERVATION] + [("values", False)],
)
def test_next_observations_are_used_under_each_of_their_names(tmp_path: Path, name: str, following: bool) -> None:
    arrays = standing(timeouts=CUT)
    after = arrays["observations"] + np.float32(0.01)
    read = read_d4rl(write_plain(tmp_path / "f", arrays | {name: after}), HOPPER)
    if following:
        np.testing.assert_array_equal(read.next_observations, after)
    else:
        assert read.next_observations is None


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"truncation": CUT}, "unknown 'truncation'; rename it"),
        ({"Timeouts": CUT}, "unknown 'Timeouts'; rename it"),
        ({"time_limits": CUT}, "unknown 'time_limits'; rename it"),
        ({"Episode_Terminals": CUT}, "unknown 'Episode_Terminals'; rename it"),
        ({"stop": CUT}, "unknown flags 'stop'; rename them to 'timeouts'"),
        ({"masks": 1.0 - CUT}, "unknown flags 'masks'"),
        ({"episode_ends": np.array([10, 20, 30, 40])}, "'episode_ends' is 10 in row 0; expected 0 or 1"),
        ({"episode_terminals": CUT[:-1]}, "'episode_terminals' has 39 rows and 'observations' 40"),
        ({"x/timeouts": CUT}, "'x/timeouts' is in a group, .* store it as one array 'timeouts'"),
        ({"timeouts": CUT, "next_obs/flat": np.zeros((ROWS, 11), np.float32)}, "'next_obs/flat' is in a group"),
        ({"timeouts": CUT, "dones": START}, "'timeouts' and 'dones' contradict each other, first in row 0"),
        ({"timeouts": CUT, "truncations": NOWHERE}, "'timeouts' and 'truncations' contradict each other.*row 9"),
        ({"terminals": START, "episode_ends": CUT}, "row 0 is terminal, and by 'episode_ends' no episode ends there"),
        ({"terminals": CUT, "terminated": NOWHERE}, "'terminals' and 'terminated' contradict each other"),
    ],
)
def test_what_is_ambiguous_contradictory_or_nearly_known_is_refused_in_one_line(
    tmp_path: Path, columns: dict[str, Any], words: str
) -> None:
    line = refused(tmp_path, standing(**columns))
    assert re.search(words, line), line


@pytest.mark.parametrize("name", ["next_actions", "next_action", "next_rewards", "Observed_Actions"])
def test_columns_of_actions_and_rewards_are_not_taken_for_next_observations(tmp_path: Path, name: str) -> None:
    arrays = standing(timeouts=CUT, **{name: np.zeros((ROWS, 3), np.float32)})
    assert len(loaded(tmp_path, arrays).state) == ROWS - 4
    for lacking in ("observations", "actions", "rewards"):
        line = refused(tmp_path, {key: array for key, array in arrays.items() if key != lacking})
        assert ("Rename" in line) is (name == "Observed_Actions" and lacking == "actions"), line


def test_a_column_that_only_looks_like_a_known_one_can_be_moved_below_infos(tmp_path: Path) -> None:
    arrays = standing(timeouts=CUT, next_observed=np.zeros((ROWS, 4), np.float32))
    line = refused(tmp_path, arrays)
    assert "unknown 'next_observed'; rename it, or, if it is something else, move it to 'infos/next_observed'" in line
    arrays["infos/next_observed"] = arrays.pop("next_observed")
    assert len(loaded(tmp_path, arrays).state) == ROWS - 4


def test_two_columns_of_next_observations_are_refused(tmp_path: Path) -> None:
    after = standing()["observations"]
    line = refused(tmp_path, standing(timeouts=CUT, next_obs=after, next_observations=after))
    assert "next observations twice" in line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dones", "lacks the key 'terminals', and 'dones' can mean either; rename it"),
        ("is_terminal", "in RLDS 'is_terminal' stands in the row after the last step"),
        ("episode_ends", "'episode_ends' does not say where the task itself ended; add 'terminals'"),
    ],
)
def test_without_terminals_other_ends_are_not_taken_for_them(tmp_path: Path, name: str, words: str) -> None:
    arrays = standing(**{name: CUT})
    del arrays["terminals"]
    assert words in refused(tmp_path, arrays)


@pytest.mark.parametrize(
    ("prefix", "words"),
    [("episode_0/", "Minari dataset: name the folder"), ("data/demo_0/", "robomimic file"), ("steps/", "RLDS")],
)
def test_files_of_other_layouts_are_recognized(tmp_path: Path, prefix: str, words: str) -> None:
    assert words in refused(tmp_path, {prefix + name: array for name, array in standing().items()})


def driven(skip: bool = False, steps: int = 1500) -> D4RLData:
    """Maze data as the recipe makes them."""
    return find_recipe(UMAZE.name).run(UMAZE.name, MakeOptions(steps=steps, skip_repeated_rows=skip))[0]


def as_left_by_d4rls_script(data: D4RLData) -> dict[str, Any]:
    arrays = arrays_of(data) | {"terminals": data.timeouts}
    del arrays["timeouts"]
    return arrays


def without_any_flag(data: D4RLData) -> dict[str, Any]:
    return as_left_by_d4rls_script(data) | {"terminals": np.zeros(data.n_rows, np.bool_)}


@pytest.mark.parametrize("mode", list(TransitionMode))
@pytest.mark.parametrize("left", [as_left_by_d4rls_script, without_any_flag])
@pytest.mark.parametrize("skip", [False, True])
def test_a_maze_file_without_timeouts_gives_what_the_published_form_gives(
    tmp_path: Path, skip: bool, left: Callable[[D4RLData], dict[str, Any]], mode: TransitionMode
) -> None:
    data = driven(skip)
    assert data.timeouts.sum() > 10
    paths = write_plain(tmp_path / "published", arrays_of(data)), write_plain(tmp_path / "left", left(data))
    published, found = (transition_table(load_dataset(UMAZE, path), UMAZE, mode) for path in paths)
    for name in ("state", "action", "reward", "next_state", "terminal", "start_state"):
        np.testing.assert_array_equal(getattr(found, name), getattr(published, name))
    assert not (found.state == found.next_state).all(1).any()
    if mode is TransitionMode.MODEL:
        moved = found.next_state[:, :2] - found.state[:, :2]
        np.testing.assert_allclose(moved, TIMESTEP * found.next_state[:, 2:], atol=1e-5)


def test_another_tasks_file_without_timeouts_is_refused_for_its_sizes(tmp_path: Path) -> None:
    for columns in (2, 3, 11):
        arrays = standing()
        arrays["observations"] = arrays["observations"][:, :columns]
        with pytest.raises(InvalidFileError, match=f"'observations' has {columns} columns; {UMAZE.name} has 4"):
            read_d4rl(write_plain(tmp_path / f"f{columns}", arrays), UMAZE)


def test_the_check_of_a_maze_file_says_where_targets_were_reached_and_where_pairs_are_joined(tmp_path: Path) -> None:
    data = driven()
    found = diagnose(write_plain(tmp_path / "left", as_left_by_d4rls_script(data)), UMAZE)
    reached = int(data.timeouts.sum())
    assert found.problems == []
    assert any(f"time-outs are missing; {reached} rows" in text for text in found.oddities)
    arrays = arrays_of(driven(skip=True))
    arrays["timeouts"] = np.zeros(len(arrays["timeouts"]), np.bool_)
    joined = diagnose(write_plain(tmp_path / "joined", arrays), UMAZE)
    assert any("are not followed by one step of the maze, and no time-out says so" in text for text in joined.oddities)
    whole = diagnose(write_plain(tmp_path / "whole", arrays_of(data)), UMAZE)
    assert not any("followed" in text or "follows" in text for text in whole.oddities)


def test_numbers_of_episodes_that_are_none_are_refused(tmp_path: Path) -> None:
    numbers = NUMBER.astype(np.float64)
    numbers[3] = np.nan
    assert "'episode_id' is not finite in 1 of 40 rows, first in row 3" in refused(
        tmp_path, standing(episode_id=numbers)
    )
