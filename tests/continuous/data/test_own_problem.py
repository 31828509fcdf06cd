"""Data of a user's own: what is taken from data and environment, and that whatever does not fit is said in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
import pytest
import torch
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from gymnasium.spaces import Box, flatten
from gymnasium.wrappers import RescaleAction, TimeLimit

import ampl
from ampl.errors import InvalidArgumentError, InvalidFileError
from ampl.own_data import GivenData
from continuous.data.dataset import load_dataset
from continuous.data.own_problem import open_own, recall, record
from continuous.environments.own import environment_text, survey
from continuous.environments.registry import environment_for
from continuous.tasks.termination import UNKNOWN, model_rule
from tests.continuous.data.d4rl_samples import arrays_of, hopper_data, write_plain
from tests.continuous.data.own_samples import Slide, collected, fallen, of_actions, opened, pendulum_file, slide_file

HERE = "tests.continuous.data.own_samples"


def test_the_rules_of_gymnasiums_robots_are_known_unless_arguments_change_them(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "h.hdf5", arrays_of(hopper_data(100)))
    task = opened(path, "Hopper-v5")
    assert task.own.termination == "hopper"
    assert not any("disagrees" in note for note in task.own.notes)
    changed = gymnasium.make("Hopper-v5", terminate_when_unhealthy=False)
    assert opened(path, changed).own.termination == UNKNOWN


def test_a_rule_that_contradicts_the_datas_flags_is_told_with_the_share_of_rows(tmp_path: Path) -> None:
    path = slide_file(tmp_path / "s.hdf5")
    ends = load_dataset(opened(path, Slide, termination=fallen)).terminals
    notes = {rule: "; ".join(opened(path, Slide, termination=rule).own.notes) for rule in ("never", f"{HERE}:fallen")}
    share = f"in {ends.sum()} of 400 rows ({ends.mean():.2%}, first in row {ends.argmax()})"
    assert f"'never' disagrees with the data's terminal flags {share}" in notes["never"]
    assert "disagrees" not in notes[f"{HERE}:fallen"]


def test_a_wrong_rule_is_told_where_every_end_has_both_flags(tmp_path: Path) -> None:
    arrays = collected(Slide(), 400, limit=10_000)
    path = write_plain(tmp_path / "s.hdf5", arrays | {"timeouts": arrays["terminals"]})
    ends = int(arrays["terminals"].sum())
    notes = opened(path, Slide, termination="never").own.notes
    assert any(f"in {ends} of 400 rows" in note for note in notes)


def test_rows_that_repeat_the_observation_before_them_are_left_out_and_counted(tmp_path: Path) -> None:
    observations = np.zeros((40, 3), np.float32)
    observations[:, 0] = np.arange(40) % 4 % 3  # four steps an episode: it starts and is last seen at 0
    episodes = {"observations": observations, "timeouts": np.arange(40) % 4 == 3, "next_observations": None}
    path = pendulum_file(tmp_path / "p.hdf5", 40, **episodes)
    task = opened(path, "Pendulum-v1")
    assert any(note.startswith("9 rows are left out: they repeat the observation") for note in task.own.notes)
    assert load_dataset(task).n_rows == 40
    sound = opened(pendulum_file(tmp_path / "q.hdf5", next_observations=None), "Pendulum-v1")
    assert not any("repeat" in note for note in sound.own.notes)


def test_terminal_rows_without_a_next_observation_are_counted_and_named(tmp_path: Path) -> None:
    path = pendulum_file(tmp_path / "p.hdf5", terminals=np.arange(450) % 90 == 7, next_observations=None)
    notes = opened(path, "Pendulum-v1", termination="never").own.notes
    assert any(note.startswith("5 terminal rows are left out") for note in notes)
    assert any("in 5 of 4" in note for note in notes if "disagrees" in note)


def test_a_users_rule_gets_rows_in_the_environments_units_from_arrays_and_tensors_of_any_rank(tmp_path: Path) -> None:
    task = opened(slide_file(tmp_path / "s.hdf5"), Slide, termination=of_actions)
    rng = np.random.default_rng(0)
    state, action, following = (rng.uniform(-1, 1, (2, 5, 2)).astype(np.float32) for _ in range(3))
    expected = (state[..., 0] > 0.0) & (2.0 + 2.0 * action[..., 1] > 2.0) & (following[..., 1] > 0.0)
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(model_rule(task)(state, action, following), expected)
    tensors = (torch.from_numpy(rows) for rows in (state, action, following))
    np.testing.assert_array_equal(model_rule(task)(*tensors).numpy(), expected)


def test_a_rule_that_writes_into_its_rows_changes_nothing(tmp_path: Path) -> None:
    def writing(state: Any, action: Any, following: Any) -> Any:
        for rows in (state, action, following):
            rows[:] = np.nan
        return np.zeros(len(state), dtype=bool)

    task = opened(slide_file(tmp_path / "s.hdf5"), Slide, termination=writing)
    rows = [torch.ones(2, 5, 2) for _ in range(3)]
    assert not model_rule(task)(*rows).any()
    assert all((each == 1.0).all() for each in rows)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"step": lambda self, action: (self.reset()[0], 0.0, False, False)}, "ValueError: not enough values"),
        ({"reset": lambda self, **_: 1 / 0}, "ZeroDivisionError"),
        ({"close": lambda self: 1 / 0, "action_space": None}, "None"),
        ({"step": lambda self, action: sys.exit("bye")}, "SystemExit: bye"),
        ({"step": lambda self, action: (self._seen(), None, False, False, {})}, "TypeError: must be real number"),
        ({"step": lambda self, action: (self._seen(), np.ones(1), False, False, {})}, "a reward is array([1.])"),
        ({"_seen": lambda self: dict.fromkeys(("velocity", "place"), np.full(1, np.nan, np.float32))}, "not finite"),
        ({"action_space": Box(0, 10, (2,), np.int32)}, "actions that are integers are not supported"),
    ],
)
def test_an_environment_that_does_not_run_is_refused_before_training(
    tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        opened(slide_file(tmp_path / "s.hdf5"), type("Wrong", (Slide,), wrong), termination=fallen)
    assert words in str(error.value)


def test_dict_observations_are_flattened_and_the_order_is_told(tmp_path: Path) -> None:
    path = slide_file(tmp_path / "s.hdf5")
    task = opened(path, f"{HERE}:Slide", termination=fallen)
    assert task.observation_size == 2
    assert any("flattened to 2 numbers, in the order place, velocity" in note for note in task.own.notes)
    assert task.episode_limit <= 30
    assert any("has no time limit" in note for note in task.own.notes)


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (lambda: gymnasium.make("Pendulum-v1"), 200),
        (lambda: gymnasium.make("Pendulum-v1", max_episode_steps=90), 90),
        (lambda: gymnasium.make("Pendulum-v1", max_episode_steps=-1), None),
        (lambda: TimeLimit(PendulumEnv(), 70), 70),  # not registered
    ],
)
def test_time_limits_are_those_of_the_environment_that_is_given(make: Any, limit: int | None) -> None:
    text, made = environment_text(make())
    assert text is not None
    assert survey(text, made).episode_limit == limit


def test_a_task_is_recalled_from_its_record_without_data_and_environment(tmp_path: Path) -> None:
    path = pendulum_file(tmp_path / "p.hdf5")
    task = opened(path, "Pendulum-v1", references=(-1500.0, -150.0))
    path.unlink()
    assert recall(record(task), "mine") == task
    assert (task.reference_min, task.reference_max) == (-1500.0, -150.0)


@pytest.mark.filterwarnings("ignore::UserWarning:minari")  # about authors and descriptions
def test_a_minari_dataset_brings_its_environment_its_references_and_all_parts_of_observations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minari = pytest.importorskip("minari", reason="the optional package minari is not installed")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    import gymnasium_robotics  # noqa: F401  (registers the mazes)

    environment = gymnasium.make("PointMaze_UMaze-v3", reward_type="dense", max_episode_steps=40)
    seen = [environment.reset(seed=0)[0], environment.step(np.ones(2, np.float32))[0]]
    buffer = minari.data_collector.EpisodeBuffer(
        observations={key: np.array([state[key] for state in seen]) for key in seen[0]},
        actions=np.ones((1, 2), np.float32),
        rewards=np.ones(1),
        terminations=np.zeros(1, np.bool_),
        truncations=np.ones(1, np.bool_),
    )
    minari.create_dataset_from_buffers("mine/maze-v0", [buffer], environment, ref_min_score=-3.0, ref_max_score=9.0)
    task = open_own(GivenData(data="minari:mine/maze-v0"), "mine")
    assert (task.observation_size, task.episode_limit, task.reference_min, task.reference_max) == (8, 40, -3.0, 9.0)
    assert opened("minari:mine/maze-v0", "none").reference_max == 9.0
    metadata = tmp_path / "mine/maze-v0/data/metadata.json"
    metadata.write_text(metadata.read_text().replace('"ref_max_score": 9.0', '"ref_max_score": 19.0'))
    assert opened("minari:mine/maze-v0", "none").reference_max == 19.0  # what was read is not kept past the edit
    first = flatten(environment.observation_space, seen[0])
    np.testing.assert_array_equal(load_dataset(task).observations, first[None].astype(np.float32))
    made = environment_for(task)
    np.testing.assert_array_equal(made.reset(seed=0)[0], first)
    assert made.unwrapped.reward_type == "dense"
    wrapped = RescaleAction(environment, -0.5, 0.5)  # its id alone makes an environment with other actions
    minari.create_dataset_from_buffers("mine/wrapped-v0", [buffer], wrapped)
    with pytest.raises(InvalidArgumentError, match="one with wrappers of its own cannot"):
        open_own(GivenData(data="minari:mine/wrapped-v0"), "mine")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("runs/My file (2).hdf5", "My-file-2"),
        ("minari:D4RL/pen/human-v2", "D4RL-pen-human-v2"),
        ("../..", "own"),
        ("a" * 300 + ".hdf5", "a" * 60),
    ],
)
def test_runs_are_named_by_the_data_fit_for_folders(data: str, name: str) -> None:
    assert GivenData(data=data).name == name


def _pendulum(path: Path, **changes: Any) -> list[object]:
    return ["--data", pendulum_file(path, **changes), "--env", "Pendulum-v1"]


MISTAKES: list[tuple[Callable[[Path], list[object]], str]] = [
    (lambda path: [], "no task is named"),
    (lambda path: ["hopper-medium-v2", *_pendulum(path)], "both given"),
    (lambda path: ["hopper-medium-v2", "--env", "Pendulum-v1"], "env is given without data"),
    (lambda path: ["--data", pendulum_file(path)], "no environment is named for"),
    (lambda path: ["--data", path, "--env", "Pendulum-v1"], "does not exist"),
    (
        lambda path: ["--data", pendulum_file(path), "--env", "Pendulun-v1"],
        "the environment Pendulun-v1 cannot be made",
    ),
    (lambda path: ["--data", pendulum_file(path), "--env", "CartPole-v1"], "CartPole-v1 has actions in Discrete(2)"),
    (lambda path: ["--data", pendulum_file(path), "--env", f"{HERE}:Counted"], "has observations in Discrete(5)"),
    (lambda path: ["--data", pendulum_file(path), "--env", f"{HERE}:Painted"], "discrete ones, images"),
    (lambda path: ["--data", pendulum_file(path), "--env", f"{HERE}:no"], "(AttributeError:"),
    (lambda path: ["--data", pendulum_file(path), "--env", "Hopper-v5"], "has 3 columns; Hopper-v5 has 11"),
    (lambda path: _pendulum(path, observations=np.zeros((0, 3), np.float32)), "'observations' has no rows"),
    (lambda path: _pendulum(path, rewards=None), "lacks the key 'rewards'"),
    (lambda path: _pendulum(path, actions=np.zeros(450, np.int64)), "neither discrete ones nor images"),
    (lambda path: _pendulum(path, rewards=np.full(450, np.nan)), "'rewards' is not finite in 450"),
    (
        lambda path: _pendulum(path, terminals=np.arange(450) == 7),
        "1 of 450 rows are terminal, first row 7, and no rule is known that ends paths of a model of Pendulum-v1. Give",
    ),
    (lambda path: [*_pendulum(path), "--termination", "nevr"], "Did you mean 'never'?"),
    (lambda path: [*_pendulum(path), "--termination", "no_such:rule"], "(ModuleNotFoundError:"),
    (lambda path: [*_pendulum(path), "--termination", f"{HERE}:column"], "gives bool[450, 3] for 450 rows"),
    (lambda path: [*_pendulum(path), "--termination", f"{HERE}:beyond"], "fails on 450 rows (IndexError: index 26"),
    (lambda path: [*_pendulum(path), "--termination", f"{HERE}:fallen_state"], "fails on 450 rows (TypeError:"),
    (lambda path: [*_pendulum(path), "--termination", "pen"], "have 3 numbers; a pen observes 45 or more"),
    (lambda path: [*_pendulum(path), "--references", "5", "5"], "expected the return that scores 0, then a larger one"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_every_mistake_is_one_line(
    tmp_path: Path, mistake: Callable[..., str], arguments: Callable[[Path], list[object]], words: str
) -> None:
    assert words in mistake("train", "mopo", *arguments(tmp_path / "mine.hdf5"), "--out", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_only_an_algorithm_with_a_model_needs_to_know_when_its_paths_end(tmp_path: Path) -> None:
    data = pendulum_file(tmp_path / "mine.hdf5", terminals=np.arange(450) == 7)
    own = {"data": str(data), "env": "Pendulum-v1", "out": tmp_path / "runs", "eval_episodes": 1}
    (result,) = ampl.train("bc", **own, epochs=1, steps_per_epoch=4)
    assert json.loads((result.path / "config.json").read_text())["problem"]["termination"] == UNKNOWN
    with pytest.raises(InvalidArgumentError, match="no rule is known that ends paths of a model of Pendulum-v1"):
        ampl.train("mopo", **own, epochs=1, steps_per_epoch=4)


@pytest.mark.parametrize("following", [True, False])
def test_time_outs_that_are_stored_but_never_marked_are_refused_where_episodes_outlast_the_limit(
    tmp_path: Path, following: bool
) -> None:
    columns = {} if following else {"next_observations": None}
    path = pendulum_file(tmp_path / "p.hdf5", timeouts=np.zeros(450, np.bool_), **columns)
    with pytest.raises(InvalidFileError, match=r"has 450 rows, from row 0 on; Pendulum-v1 cuts .* 200 steps") as error:
        opened(path, "Pendulum-v1")
    assert "\n" not in str(error.value)
    assert opened(path, gymnasium.make("Pendulum-v1", max_episode_steps=450)).episode_limit == 450
    cut = opened(pendulum_file(tmp_path / "cut.hdf5", timeouts=None, **columns), "Pendulum-v1")
    assert np.flatnonzero(load_dataset(cut).timeouts).tolist() == [199, 399]


@pytest.mark.parametrize(("env", "name"), [("none", "--env none"), (Slide, "Slide")])
def test_without_timeouts_an_environment_must_tell_a_time_limit(tmp_path: Path, env: Any, name: str) -> None:
    path = write_plain(tmp_path / "s.hdf5", {**collected(Slide(), 90), "timeouts": np.zeros(90, np.bool_)})
    assert opened(path, env, termination="never").episode_limit > 1
    with h5py.File(path, "a") as file:
        del file["timeouts"]
    with pytest.raises(InvalidFileError, match=rf"lacks the key 'timeouts', and .*{name} has no time limit"):
        opened(path, env, termination="never")


def test_functions_are_found_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rules_of_today.py").write_text("def tipped(s, a, n):\n    return n[:, 0] < -2.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    task = opened(pendulum_file(tmp_path / "p.hdf5"), "Pendulum-v1", termination="my_rules_of_today:tipped")
    assert task.own.termination == "my_rules_of_today:tipped"
