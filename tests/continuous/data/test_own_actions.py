"""Actions of a user's own data: scaled by the environment's bounds, or by the data's range where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from ampl.errors import InvalidFileError
from continuous.data.dataset import load_dataset
from continuous.tasks.own import unscaled
from tests.continuous.data.own_samples import Slide, fallen, opened, pendulum_file, slide_file


def test_actions_are_scaled_by_the_environments_bounds_and_nothing_else_changes(tmp_path: Path) -> None:
    path = pendulum_file(tmp_path / "p.hdf5")
    task = opened(path, "Pendulum-v1")
    assert (task.observation_size, task.action_size, task.episode_limit, task.has_scores) == (3, 1, 200, False)
    assert task.own.termination == "never"
    raw, data = opened(path, "none"), load_dataset(task)
    range_of_data = raw.own.action_low[0], raw.own.action_high[0]
    assert -2.0 <= range_of_data[0] < -1.9
    assert 1.9 < range_of_data[1] <= 2.0
    assert any("bounded by the data's range" in note for note in raw.own.notes)
    assert any("not evaluated" in note for note in raw.own.notes)
    assert (load_dataset(raw).actions.min(), load_dataset(raw).actions.max()) == (-1.0, 1.0)
    environment = gymnasium.make("Pendulum-v1")
    environment.action_space.seed(0)
    drawn = np.array([environment.action_space.sample() for _ in range(450)])
    np.testing.assert_allclose(2.0 * data.actions, drawn, rtol=1e-6)


def test_an_action_that_never_changes_has_bounds_around_it(tmp_path: Path) -> None:
    path = pendulum_file(tmp_path / "p.hdf5", actions=np.full((450, 1), 5.0, np.float32))
    task = opened(path, "none")
    assert (task.own.action_low, task.own.action_high) == ((4.0,), (6.0,))
    assert not load_dataset(task).actions.any()


@pytest.mark.parametrize(
    ("low", "high", "column", "bounds", "told_by"),
    [
        ([-1.0, -np.inf], [1.0, np.inf], [1.0, 0.5], ([-1.0, -0.5], [1.0, 1.5]), "environment and data"),
        ([0.0, -np.inf], [np.inf, 2.0], [3.0, 1.0], ([0.0, 1.0], [3.0, 2.0]), "environment and data"),
        ([-1.0, 0.5], [1.0, 0.5], [1.0, 0.5], ([-1.0, 0.5], [1.0, 0.5]), "environment"),
        ([-3e38, -3e38], [3e38, 3e38], [1.0, 0.5], ([0.0, -0.5], [2.0, 1.5]), "data"),
    ],
    ids=["one without bounds", "half bounded", "held", "float32's largest"],
)
def test_each_action_has_the_environments_bounds_or_the_datas_range(
    tmp_path: Path, low: list[float], high: list[float], column: list[float], bounds: Any, told_by: str
) -> None:
    space = Box(np.array(low, np.float32), np.array(high, np.float32))
    steps = {"action_space": space, "step": lambda self, action: (self._seen(), 0.0, False, False, {})}
    environment = type("Bounded", (Slide,), steps)
    path = slide_file(tmp_path / "s.hdf5", actions=np.tile(np.array(column, np.float32), (400, 1)))
    task = opened(path, environment, termination=fallen)
    assert (list(task.own.action_low), list(task.own.action_high)) == bounds
    assert task.own.bounds == told_by
    data = load_dataset(task)
    assert np.abs(data.actions).max() <= 1.0
    for action in (-1.0, 0.0, 1.0):
        assert space.contains(unscaled(task.own, np.full(2, action)).astype(np.float32))


def test_an_action_that_its_bounds_hold_is_no_other(tmp_path: Path) -> None:
    actions = np.full((400, 2), 0.5, np.float32)
    actions[7, 1] = 0.6
    space = Box(np.array([-1.0, 0.5], np.float32), np.array([1.0, 0.5], np.float32))
    steps = {"action_space": space, "step": lambda self, action: (self._seen(), 0.0, False, False, {})}
    task = opened(slide_file(tmp_path / "s.hdf5", actions=actions), type("Held", (Slide,), steps), termination=fallen)
    with pytest.raises(InvalidFileError, match=r"1 of 400 rows have actions outside of the bounds, first row 7"):
        load_dataset(task)


def test_an_action_beyond_all_others_is_refused_where_it_would_be_the_range(tmp_path: Path) -> None:
    actions = np.linspace(-1.0, 1.0, 450, dtype=np.float32)[:, None].copy()
    actions[7] = 1e20
    with pytest.raises(InvalidFileError, match=r"column 0 of actions is 1e\+20 in size in row 7"):
        load_dataset(opened(pendulum_file(tmp_path / "p.hdf5", actions=actions), "none"))


def test_rows_with_actions_outside_of_the_bounds_are_refused(tmp_path: Path) -> None:
    actions = np.zeros((450, 1), np.float32)
    actions[[7, 9], 0] = 2.5
    path = pendulum_file(tmp_path / "p.hdf5", actions=actions)
    with pytest.raises(
        InvalidFileError, match=r"2 of 450 rows .* first row 7 with \[2.5\]; expected \[-2.0\] to \[2.0\]"
    ):
        load_dataset(opened(path, "Pendulum-v1"))
