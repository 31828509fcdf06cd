"""Numbers that are finite but far too large: what the check says, and that training refuses them in one line."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.errors import InvalidFileError
from continuous.data.check import diagnose
from continuous.data.d4rl_data import D4RLData
from continuous.data.d4rl_file import read_d4rl
from continuous.data.dataset import load_dataset
from continuous.data.plausibility import overlarge_numbers, suspect_numbers
from tests.continuous.data.d4rl_samples import HOPPER, arrays_of, hopper_data, write_plain


def poked(column: str, value: float, row: int = 7) -> D4RLData:
    """Hopper data with one number replaced, in the last column."""
    data = hopper_data(2000)
    values = getattr(data, column).copy()
    values.reshape(len(values), -1)[row, -1] = value
    return replace(data, **{column: values})


def stored(folder: Path, data: D4RLData) -> Path:
    return write_plain(folder / HOPPER.file_name, arrays_of(data))


@pytest.mark.parametrize("value", [1e7, -1e13, 1e20, -3e38])
@pytest.mark.parametrize("column", ["observations", "next_observations", "rewards"])
def test_one_number_that_hides_its_column_is_a_problem_and_not_trained_on(
    tmp_path: Path, column: str, value: float
) -> None:
    data = poked(column, value)
    path = stored(tmp_path, data)
    found = diagnose(path, HOPPER).problems
    what = "rewards" if column == "rewards" else f"column 10 of {column}"
    assert any(f"{what} is {abs(value):.3g} in size in row 7, where half" in text for text in found), found
    assert list(suspect_numbers(data)) == []
    with pytest.raises(InvalidFileError, match="training would see nothing else") as caught:
        load_dataset(HOPPER, path=path)
    assert "\n" not in str(caught.value)


def test_a_column_whose_numbers_are_all_beyond_float32s_squares_is_a_problem() -> None:
    data = hopper_data()
    assert len(list(overlarge_numbers(replace(data, rewards=data.rewards * np.float32(1e20))))) == 1
    assert list(overlarge_numbers(replace(data, rewards=data.rewards * np.float32(1e8)))) == []


def test_a_number_that_widens_its_column_is_named_by_the_check_and_by_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = stored(tmp_path, poked("observations", 2e4))
    found = diagnose(path, HOPPER)
    assert found.problems == []
    assert any("column 10 of observations is 2e+04 in size in row 7" in text for text in found.oddities)
    with caplog.at_level(logging.WARNING):
        load_dataset(HOPPER, path=path)
    assert "column 10 of observations is 2e+04 in size in row 7" in caplog.text


def test_episodes_beyond_the_time_limit_are_named_by_the_check_and_by_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = hopper_data(2000)
    endless = replace(data, terminals=np.zeros_like(data.terminals), timeouts=np.zeros_like(data.timeouts))
    path = stored(tmp_path, replace(endless, next_observations=None))
    words = "the longest episode has 2000 steps, the time limit is 1000: time-outs seem missing"
    assert words in diagnose(path, HOPPER).oddities
    with caplog.at_level(logging.WARNING):
        load_dataset(HOPPER, path=path)
    assert words in caplog.text


def test_without_a_task_the_check_notes_that_no_row_has_a_time_out(tmp_path: Path) -> None:
    data = hopper_data()
    unmarked = replace(data, timeouts=np.zeros_like(data.timeouts))
    words = "no row has a time-out, and the longest episode has 14 rows"
    assert any(words in note for note in diagnose(write_plain(tmp_path / "f", arrays_of(unmarked))).oddities)
    assert not any(
        "no row has a time-out" in note for note in diagnose(write_plain(tmp_path / "g", arrays_of(data))).oddities
    )


@pytest.mark.parametrize("scale", [1e5, 1e10])
def test_rewards_in_very_large_units_are_mentioned(scale: float) -> None:
    data = hopper_data(2000)
    (text,) = suspect_numbers(replace(data, rewards=data.rewards * np.float32(scale)))
    assert text.startswith("half of the numbers of rewards are beyond 1.")
    assert list(suspect_numbers(replace(data, rewards=data.rewards * np.float32(1e-10)))) == []


def test_sound_columns_are_not_mentioned_even_where_they_are_mostly_zero_or_of_large_units() -> None:
    data = hopper_data(2000)
    sparse = np.where(np.arange(2000) % 500 == 3, 900.0, 0.0).astype(np.float32)
    large = (1e4 * data.observations[:, 1]).astype(np.float32)
    tiny = np.where(np.arange(2000) % 2 == 0, 1e-20, 30.0).astype(np.float32)
    observations = data.observations.copy()
    observations[:, 2:5] = np.column_stack((sparse, large, tiny))
    sound = replace(data, observations=observations, rewards=np.float32(5e3) + data.rewards)
    assert [*overlarge_numbers(sound), *suspect_numbers(sound)] == []


@pytest.mark.parametrize(("value", "bad"), [(1.0005, False), (1.5, True), (1e20, True)])
def test_actions_outside_their_range_are_a_problem_of_a_task_only(tmp_path: Path, value: float, bad: bool) -> None:
    path = write_plain(tmp_path / "f", arrays_of(poked("actions", value)))
    entry = f"an action entry is {value:g} in size"
    assert (f"{entry}; all lie in [-1, 1]" in diagnose(path, HOPPER).problems) is bad
    found = diagnose(path)
    assert not any(entry in note for note in found.oddities)  # data of one's own may be in any units
    assert bool(found.problems) is (value == 1e20)


def test_numbers_that_overflowed_in_half_precision_are_refused_with_its_limit(tmp_path: Path) -> None:
    arrays: dict[str, Any] = arrays_of(hopper_data())
    with np.errstate(over="ignore"):
        arrays["rewards"] = (1e5 * arrays["rewards"]).astype(np.float16)
    with pytest.raises(InvalidFileError, match=r"'rewards' is not finite.*float16 numbers beyond 65504 count as inf"):
        read_d4rl(write_plain(tmp_path / "f", arrays), HOPPER)
