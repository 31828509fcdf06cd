"""Next observations against the rows that follow: wrong ones are refused, and shuffled rows are not taken for them."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from ampl.errors import InvalidFileError
from ampl.own_data import GivenData
from continuous.data.check import diagnose
from continuous.data.d4rl_data import D4RLData
from continuous.data.dataset import load_dataset
from continuous.data.next_states import odd_next_states, wrong_next_states
from continuous.data.own_problem import open_own
from tests.continuous.data.d4rl_samples import HOPPER, arrays_of, hopper_data, write_plain
from tests.continuous.data.own_samples import collected


def swinging(rows: int = 1000) -> D4RLData:
    """Pendulum in order, episodes of 200 steps."""
    return D4RLData(**collected(gymnasium.make("Pendulum-v1"), rows))


def following(data: D4RLData) -> Any:
    return data.next_observations


def taken(data: D4RLData, rows: Any) -> D4RLData:
    names = ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations")
    return replace(data, **{name: getattr(data, name)[rows] for name in names})


WRONG = {
    "equal": lambda data: data.observations,
    "rolled by one": lambda data: np.roll(following(data), 1, axis=0),
    "rolled by two": lambda data: np.roll(following(data), 2, axis=0),
    "rolled back": lambda data: np.roll(following(data), -1, axis=0),
    "permuted": lambda data: np.random.default_rng(0).permutation(following(data)),
    "zero": lambda data: np.zeros_like(following(data)),
    "one column": lambda data: following(data) * np.float32([1.0, 1.0, 1.01]),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_next_observations_are_a_problem_that_names_a_row_and_stop_training(tmp_path: Path, wrong: Any) -> None:
    data = replace(swinging(), next_observations=wrong(swinging()))
    path = write_plain(tmp_path / "p.hdf5", arrays_of(data))
    (problem,) = diagnose(path).problems
    assert list(odd_next_states(data)) == []
    assert "next_observations are equal to observations" in problem or "first in row" in problem
    with pytest.raises(InvalidFileError, match="next_observations"):
        load_dataset(open_own(GivenData(data=str(path), env="Pendulum-v1"), "mine"))


@pytest.mark.parametrize("wrong", [WRONG["equal"], WRONG["rolled by two"], WRONG["permuted"]])
def test_they_are_a_problem_of_a_named_tasks_file_too_whose_rows_jump(tmp_path: Path, wrong: Any) -> None:
    data = replace(hopper_data(700), next_observations=wrong(hopper_data(700)))
    assert list(wrong_next_states(data))
    assert any("next_observations" in text for text in diagnose(write_plain(tmp_path / "f", arrays_of(data))).problems)


def test_a_few_rows_that_differ_are_noted_by_the_check_and_by_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = hopper_data()
    data.timeouts[13] = False  # an episode that no flag ends any more
    path = write_plain(tmp_path / HOPPER.file_name, arrays_of(data))
    words = "1 rows (first 13) have a next observation that differs from the next row's observation"
    assert any(words in text for text in diagnose(path).oddities)
    assert diagnose(path).problems == []
    with caplog.at_level(logging.WARNING):
        load_dataset(HOPPER, path=path)
    assert words in caplog.text


def test_sound_files_are_not_mentioned_nor_is_rounding() -> None:
    sound = swinging()
    rounded = replace(sound, next_observations=following(sound) * np.float32(1.0 + 5e-7))
    far = replace(
        sound, observations=sound.observations + np.float32(1e4), next_observations=following(sound) + np.float32(1e4)
    )
    for data in (sound, rounded, far, hopper_data(), replace(sound, next_observations=None)):
        assert [*wrong_next_states(data), *odd_next_states(data)] == []


@pytest.mark.parametrize(
    "rows",
    [np.random.default_rng(0).permutation(1000), np.arange(0, 1000, 2), np.arange(0, 1000, 10)],
    ids=["shuffled", "every second", "every tenth"],
)
def test_rows_without_those_between_are_noted_and_where_each_is_an_episode_there_is_nothing_to_compare(
    rows: Any,
) -> None:
    some = taken(swinging(), rows)
    assert list(wrong_next_states(some)) == []
    (note,) = odd_next_states(some)
    assert note.startswith("rows seem to be shuffled, or others to be left out: ")
    alone = replace(some, timeouts=np.ones(len(rows), np.bool_))
    assert [*wrong_next_states(alone), *odd_next_states(alone)] == []


@pytest.mark.parametrize("alone", [False, True])
def test_shuffled_rows_in_which_nothing_moves_are_a_problem(alone: bool) -> None:
    data = swinging()
    shuffled = taken(data, np.random.default_rng(0).permutation(data.n_rows))
    still = replace(shuffled, next_observations=shuffled.observations)
    (problem,) = wrong_next_states(replace(still, timeouts=np.ones(data.n_rows, np.bool_)) if alone else still)
    assert "equal to observations" in problem


def test_problems_without_change_are_sound() -> None:
    """Contexts that stay through an episode, rounds of one terminal step, and a state that never changes."""
    data = swinging()
    contexts = np.repeat(np.arange(5, dtype=np.float32), 200)[:, None].repeat(3, axis=1)
    bandit = replace(data, observations=contexts, next_observations=contexts)
    rounds = replace(
        data, next_observations=data.observations, terminals=np.ones(data.n_rows, np.bool_), timeouts=data.terminals
    )
    constant = replace(bandit, observations=np.ones_like(contexts), next_observations=np.ones_like(contexts))
    for sound in (bandit, rounds, constant):
        assert [*wrong_next_states(sound), *odd_next_states(sound)] == []
