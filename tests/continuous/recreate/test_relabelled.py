"""MOPO's out-of-distribution tasks end to end: behavior, relabelled buffers, files, commands, evaluation."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ampl.entry_points
from ampl.command_line.main import main
from ampl.entry_points import COMMANDS
from ampl.errors import InvalidArgumentError, InvalidFileError, UnknownNameError
from ampl.randomness import stream
from continuous.data.check import diagnose
from continuous.data.d4rl_data import D4RLData, Provenance
from continuous.data.d4rl_file import read_d4rl, write_d4rl
from continuous.data.dataset import load_dataset
from continuous.data.recipes import MakeOptions, find_recipe
from continuous.data.transitions import transition_table
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.out_of_distribution import NAMES
from continuous.environments.registry import robot_for, simulator_maker
from continuous.environments.robot import Floats, Start
from continuous.evaluation.evaluator import Evaluator
from continuous.recreate.locomotion import behavior
from continuous.recreate.locomotion.behavior import BehaviorConfig, train_behavior
from continuous.recreate.locomotion.behavior_robots import BEHAVIOR_ROBOTS, make_simulator, with_torso_velocity
from continuous.recreate.locomotion.collection import EPISODE_LIMIT, Actor, concatenate, roll_out
from continuous.recreate.locomotion.levels import Level
from continuous.recreate.locomotion.made_data import as_data
from continuous.recreate.online_sac.replay_file import ReplayFile
from continuous.recreate.relabelled.relabel import relabel
from continuous.tasks.find import find_task
from continuous.tasks.termination import find_termination
from tests.continuous.recreate.small_online_sac import small_online_sac

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

OWN = {"halfcheetah-jump": "halfcheetah-jump"} | {name: "ant-angle" for name in NAMES if name.startswith("ant")}
PLAIN = {"halfcheetah-jump": "halfcheetah"} | {name: "ant" for name in NAMES if name.startswith("ant")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three blocks of every robot's training that can become an out-of-distribution dataset."""
    folder = tmp_path_factory.mktemp("runs")
    sac = small_online_sac()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(behavior, "BLOCK", 80)
        patch.setattr(behavior, "EPISODE_LIMIT", 10)
        config = BehaviorConfig(evaluation_period=80, evaluation_episodes=1, confirmation_episodes=0, sac=sac)
        for robot in {*OWN.values(), *PLAIN.values()}:
            train_behavior(robot, 240, 5, folder / robot, config=config)
    return folder


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behavior, "BLOCK", 80)


def make(name: str, folder: Path, steps: int | None = None) -> tuple[D4RLData, Provenance]:
    return find_recipe(name).run(name, MakeOptions(policy=folder, steps=steps))


def replayed_rewards(name: str, data: D4RLData) -> Floats:
    """What the task's own robot pays for the recorded actions, from the recorded starts."""
    ends = np.flatnonzero(data.terminals | data.timeouts)
    rewards = []
    with BatchSimulator(robot_for(find_task(name)), threads=1, endless=True) as simulator:
        for first, last in zip([0, *(ends[:-1] + 1)], ends, strict=True):
            simulator.begin([Start(position=data.infos["qpos"][first], velocity=data.infos["qvel"][first])])
            rewards += [simulator.step(action[None]).rewards[0] for action in data.actions[first : last + 1]]
    return np.array(rewards)


@pytest.mark.parametrize("robots", [OWN, PLAIN])
@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_a_made_file_has_the_reward_that_the_environment_pays(
    name: str, robots: dict[str, str], runs: Path
) -> None:
    """MOPO A5: the whole buffer is relabelled; the plain robots' rewards lead to the same labels."""
    data, _ = make(name, runs / robots[name])
    steps = ReplayFile(runs / robots[name] / "replay.bin").read(240)
    assert data.n_rows == 240
    np.testing.assert_array_equal(data.actions, steps["actions"].astype(np.float32))
    assert np.abs(data.rewards - steps["rewards"]).max() > 0.1  # the labels are new
    np.testing.assert_allclose(data.rewards, replayed_rewards(name, data), atol=2e-5)


def test_training_for_the_jump_pays_up_to_three_meters_a_second_and_no_height(runs: Path) -> None:
    """MOPO A5: the data's own reward is min{v_x, 3} - 0.1 |a|^2."""
    steps = ReplayFile(runs / "halfcheetah-jump" / "replay.bin").read(240)
    inside = np.flatnonzero(~steps["timeouts"][:-1])
    velocity = np.diff(steps["infos/qpos"][:, 0])[inside] / 0.05
    paid = np.minimum(velocity, 3.0) - 0.1 * np.square(steps["actions"][inside]).sum(axis=1)
    np.testing.assert_allclose(steps["rewards"][inside], paid, atol=1e-6)


def test_ant_for_angles_is_trained_on_its_own_reward_without_contact_forces(runs: Path) -> None:
    steps = ReplayFile(runs / "ant-angle" / "replay.bin").read(240)
    assert steps["observations"].shape[1] == 27
    assert ReplayFile(runs / "ant" / "replay.bin").widths["observations"] == 111
    robot = BEHAVIOR_ROBOTS["ant"]()
    with BatchSimulator(robot, threads=1, endless=True) as simulator:
        simulator.begin([Start(position=steps["infos/qpos"][0], velocity=steps["infos/qvel"][0])])
        count = int(np.flatnonzero(steps["terminals"] | steps["timeouts"])[0]) + 1
        paid = [simulator.step(action[None]).rewards[0] for action in steps["actions"][:count]]
    np.testing.assert_allclose(steps["rewards"][:count], paid, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_made_file_passes_the_check_and_loads_as_its_task(name: str, runs: Path, tmp_path: Path) -> None:
    task = find_task(name)
    path = tmp_path / task.file_name
    write_d4rl(path, *make(name, runs / OWN[name]))
    found = diagnose(path)
    assert found.task is task
    assert not found.problems
    assert not found.oddities
    data = read_d4rl(path, task)
    table = transition_table(load_dataset(task, path), task)
    np.testing.assert_array_equal(table.reward, data.rewards)
    np.testing.assert_array_equal(find_termination(task)(table.next_state).numpy(), data.terminals)


def test_files_of_other_angles_are_refused(runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "ant-angle-45.hdf5"
    write_d4rl(path, *make("ant-angle-30", runs / "ant-angle"))
    with pytest.raises(InvalidFileError, match="made by the recipe of ant-angle-30"):
        load_dataset(find_task("ant-angle-45"), path=path)


def moving_policy(sizes: tuple[int, int]) -> Any:
    """A policy that moves the robot; row by row, so that the number of episodes beside it changes no digit."""
    matrix = np.random.default_rng(4).normal(0.0, 0.02, sizes)

    def act(observations: Floats) -> Floats:
        seen = observations[:, : sizes[0]].astype(np.float32).astype(np.float64)
        return np.stack([np.tanh(row @ matrix) for row in seen])

    return act


@pytest.mark.parametrize("name", ["halfcheetah-jump", "ant-angle-45"])
def test_the_evaluators_return_is_the_sum_of_the_relabelled_rewards(name: str) -> None:
    """Same starts, same actions: the episodes of the original task, relabelled, against the evaluation in the new."""
    task, episodes, seed = find_task(name), 2, 7
    act = moving_policy((task.observation_size, task.action_size))
    with Evaluator(simulator_maker(task, 1)(), episodes=episodes) as evaluator:
        found = evaluator.evaluate([lambda states, _: act(states)], [seed])[0]
    actor: Actor = lambda states: (act(states), np.zeros(len(states)))  # noqa: E731
    for episode in range(episodes):
        simulator = make_simulator(PLAIN[name])
        start = stream(seed, f"evaluation/start/{episode}")
        (columns,) = roll_out(simulator, actor, [start], EPISODE_LIMIT)
        data = relabel(name, as_data(concatenate([with_torso_velocity(columns, simulator)]), {}, "f8"))
        assert found.lengths[episode] == data.n_rows
        assert found.returns[episode] == pytest.approx(data.rewards.sum(dtype=np.float64), abs=1e-2)
        assert abs(columns["rewards"].sum() - found.returns[episode]) > 0.5


def test_the_termination_rules_are_the_robots(runs: Path) -> None:
    """MOPO A3: halfcheetah-jump never ends; ant-angle ends outside [0.2, 1] m and where a number is not finite."""
    assert not find_termination(find_task("halfcheetah-jump"))(torch.full((3, 17), 50.0)).any()
    for name in NAMES[1:]:
        states = torch.zeros(5, 27)
        states[:, 0] = torch.tensor([0.5, 0.19, 0.2, 1.01, 0.5])
        states[4, 20] = torch.inf
        assert find_termination(find_task(name))(states).tolist() == [False, True, False, True, True]


def test_the_record_says_whose_buffer_how_many_rows_and_which_reward(runs: Path) -> None:
    _, provenance = make("halfcheetah-jump", runs / "halfcheetah-jump")
    assert (provenance.recipe, provenance.seed, provenance.steps) == ("halfcheetah-jump", 5, 240)
    assert "after 240 steps, fewer than MOPO's 1000000" in provenance.notes
    assert "min(v_x, 3) - 0.1 |a|^2 + 15 (z - z_init)" in provenance.notes
    data, provenance = make("ant-angle-60", runs / "ant", steps=160)
    assert (data.n_rows, data.observations.shape[1], provenance.steps) == (160, 27, 160)
    assert "its policy saw 84 columns of zeros, too" in provenance.notes
    assert "v_x cos 60 + v_y sin 60" in provenance.notes


def test_wrong_buffers_are_one_line(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidFileError, match="run `ampl data train-behavior ant-angle --seed 3` first"):
        find_recipe("ant-angle-30").run("ant-angle-30", MakeOptions(seed=3))
    with pytest.raises(InvalidFileError, match="holds a training run of ant-angle"):
        make("halfcheetah-jump", runs / "ant-angle")
    with pytest.raises(InvalidFileError, match="holds a training run of halfcheetah-jump"):
        make("ant-angle-90", runs / "halfcheetah-jump")
    with pytest.raises(InvalidFileError, match=r"240 of 300 steps.*`ampl data train-behavior ant --seed 5 --steps"):
        make("ant-angle-30", runs / "ant", steps=300)


def test_levels_are_refused_where_none_is_known(tmp_path: Path) -> None:
    for robot in ("ant", "ant-angle", "halfcheetah-jump"):
        with pytest.raises(InvalidArgumentError, match=f"levels of {robot} are not known"):
            train_behavior(robot, 80, 0, tmp_path, until=Level.MEDIUM)
    with pytest.raises(UnknownNameError, match="Did you mean 'halfcheetah-jump'"):
        train_behavior("halfcheetah-jmp", 80, 0, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_commands_know_the_tasks(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = EntryPoint("data", "continuous.commands.data:Data", COMMANDS)
    monkeypatch.setattr(ampl.entry_points, "entry_points", lambda group: [entry] if group == COMMANDS else [])
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    name, path = "halfcheetah-jump", tmp_path / "halfcheetah-jump.hdf5"
    assert main(["data", "make", name, "--policy", str(runs / "halfcheetah")]) == 0
    assert f"{path}: 240 rows" in capsys.readouterr().out
    assert main(["data", "check", str(path)]) == 0
    assert f"240 rows of {name}, nothing wrong" in capsys.readouterr().out
    assert main(["data", "list"]) == 0
    listed = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    needs = ["--policy", "or", "train-behavior"]
    assert listed[name] == ["17", "6", "1000", "re-created", *needs, "halfcheetah-jump"]
    assert listed["ant-angle-90"] == ["27", "8", "1000", "-", *needs, "ant-angle"]
    assert main(["data", "info", name]) == 0
    card = capsys.readouterr().out
    assert "its policy was paid for any speed, MOPO's for up to 3 m/s" in card
    assert main(["data", "score", name, "--episodes", "2"]) == 0
    scored = capsys.readouterr().out
    assert "evaluation/return_mean" in scored
    assert "score_mean" not in scored
