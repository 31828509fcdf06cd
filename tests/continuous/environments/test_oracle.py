"""The oracle of true transitions against Gymnasium's environments, and where it has no answer."""

from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
import torch

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.algorithms.build import true_step
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.out_of_distribution import make_robot
from continuous.environments.locomotion.robots import Ant, HalfCheetah, Hopper, Walker2d
from continuous.environments.maze2d.simulator import Maze2D
from continuous.environments.oracle import LARGEST, Oracle
from continuous.environments.registry import environment_for, robot_for
from continuous.environments.robot import Floats, Snapshot, Start
from continuous.tasks.find import find_task

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TASKS = (
    "hopper-medium-v2",
    "halfcheetah-medium-v2",
    "walker2d-medium-v2",
    "ant-medium-v2",
    "halfcheetah-jump",
    "ant-angle-30",
    "maze2d-umaze-v1",
    "maze2d-large-dense-v1",
)
TOLERANCE = 1e-6  # of the constraint solver, which begins from another point


def gymnasium_steps(environment: Any, episodes: int = 3, steps: int = 100) -> tuple[Floats, Floats, Floats]:
    """Observations, actions and next observations under random actions, past falls."""
    generator, rows = np.random.default_rng(0), []
    for seed in range(episodes):
        observation, _ = environment.reset(seed=seed)
        for _ in range(steps):
            action = np.clip(generator.normal(0.0, 0.6, environment.action_space.shape), -1.0, 1.0)
            following = environment.step(action)[0]
            rows.append((observation, action, following))
            observation = following
    environment.close()
    before, actions, after = map(np.array, zip(*rows, strict=True))
    return before, actions, after


@pytest.mark.parametrize("name", TASKS)
def test_from_an_observation_alone_the_oracle_steps_as_gymnasium_does(name: str) -> None:
    """To 1e-6, anywhere on the plane or in the maze, past falls and collisions, unless a velocity is clipped."""
    task = find_task(name)
    before, actions, after = gymnasium_steps(environment_for(task))
    found = Oracle(robot_for(task), threads=1).next_observations(before, actions)
    shown = (np.abs(before) < 10.0).all(axis=1) if task.robot in ("hopper", "walker2d") else np.ones(len(before), bool)
    assert shown.sum() > 40
    assert np.abs(after - before).max() > 1e3 * TOLERANCE
    np.testing.assert_allclose(found[shown], after[shown], atol=TOLERANCE)


@pytest.mark.parametrize("make", [Hopper, Walker2d])
def test_a_clipped_velocity_is_taken_for_ten(make: Any) -> None:
    robot = make()
    start = robot.start(np.random.default_rng(0))
    action = np.zeros((1, robot.action_size))

    def following(velocity: float) -> tuple[Floats, Floats]:
        moving = start.velocity.copy()
        moving[-1] = velocity
        with BatchSimulator(robot, threads=1, endless=True) as simulator:
            observation = simulator.begin([Start(position=start.position, velocity=moving)])
            return observation, simulator.step(action).observations

    (ten, after_ten), (twenty, after_twenty) = following(10.0), following(20.0)
    np.testing.assert_array_equal(ten, twenty)
    found = Oracle(robot, threads=1).next_observations(twenty, action)
    np.testing.assert_allclose(found, after_ten, atol=TOLERANCE)
    assert np.abs(found - after_twenty).max() > 1e-3


def test_a_state_is_read_from_its_observation() -> None:
    generator = np.random.default_rng(0)
    for robot in (HalfCheetah(), Ant(), make_robot("ant-angle-30"), Maze2D("umaze", "dense")):
        starts = [robot.start(generator) for _ in range(4)]
        snapshot = Snapshot(
            position=np.array([start.position for start in starts]),
            velocity=np.array([start.velocity for start in starts]),
            readings=np.zeros((4, robot.readings_size)),
            placement=np.zeros((4, 0)),
        )
        position, velocity = robot.state_of(robot.observe(snapshot))
        hidden = getattr(robot, "hidden_positions", 0)
        np.testing.assert_array_equal(position[:, hidden:], snapshot.position[:, hidden:])
        np.testing.assert_array_equal(position[:, :hidden], 0.0)
        np.testing.assert_array_equal(velocity, snapshot.velocity)


def test_a_row_depends_on_neither_its_neighbors_nor_the_number_of_threads() -> None:
    robot, generator = Hopper(), np.random.default_rng(0)
    observations = np.stack([generator.uniform(-2.0, 2.0, robot.observation_size) for _ in range(9)])
    actions = generator.uniform(-1.0, 1.0, (9, robot.action_size))
    together = Oracle(robot, threads=1).next_observations(observations, actions)
    np.testing.assert_array_equal(Oracle(robot, threads=4).next_observations(observations, actions), together)
    alone = Oracle(robot, threads=1).next_observations(observations[5:6], actions[5:6])
    np.testing.assert_array_equal(alone, together[5:6])
    assert Oracle(robot, threads=2).next_observations(observations[:0], actions[:0]).shape == (0, 11)


def test_rows_without_an_answer_are_not_numbers_and_leave_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where MuJoCo diverges, which would put the default pose in the state's place and write a log file."""
    monkeypatch.chdir(tmp_path)
    robot, generator = make_robot("ant-angle-30"), np.random.default_rng(0)
    start = robot.start(generator)
    usual = np.concatenate([start.position[2:], start.velocity])
    observations, actions = np.tile(usual, (6, 1)), np.zeros((6, 8))
    observations[1, 3], observations[2, 0], observations[3, -1] = np.nan, np.inf, 1.01 * LARGEST
    actions[4, 2] = np.nan
    observations[5] = generator.uniform(-LARGEST, LARGEST, 27)
    handler = mujoco.get_mju_user_warning()
    found = Oracle(robot, threads=1).next_observations(observations, actions)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, True, True, True]
    np.testing.assert_array_equal(found[0], Oracle(robot, threads=1).next_observations(usual[None], actions[:1])[0])
    assert list(tmp_path.iterdir()) == []
    assert mujoco.get_mju_user_warning() is handler


def test_tensors_of_several_seeds_go_through_the_oracle_row_by_row() -> None:
    oracle = Oracle(Maze2D("umaze", "dense"), threads=1)
    state = torch.rand(2, 5, 4, generator=torch.Generator().manual_seed(0)) + 1.0
    action = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(1))
    found = true_step(oracle)(state, action)
    assert found.dtype == torch.float32
    for seed in range(2):
        expected = oracle.next_observations(state[seed].numpy(), action[seed].numpy())
        np.testing.assert_allclose(found[seed], expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["pen", "door", "hammer", "relocate"])
def test_robots_that_hide_parts_of_their_state_are_named(name: str) -> None:
    robot = robot_for(find_task(f"{name}-human-v1"))
    with pytest.raises(InvalidArgumentError, match=f"{name.capitalize()}'s observations leave out parts"):
        Oracle(robot, threads=1)


def test_wrong_shapes_and_numbers_of_threads_are_named() -> None:
    with pytest.raises(InvalidShapeError, match=r"actions \[2, 4\]; expected \[2, 11\] and \[2, 3\]"):
        Oracle(Hopper(), threads=1).next_observations(np.zeros((2, 11)), np.zeros((2, 4)))
    with pytest.raises(InvalidArgumentError, match="threads is 0"):
        Oracle(Hopper(), threads=0)
