"""Batched simulators against Gymnasium's environments, step for step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.environments.adroit.environments import make_environment as make_adroit_environment
from continuous.environments.adroit.models import make_raw_environment
from continuous.environments.adroit.robots import make_robot
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.robots import HalfCheetah, Hopper
from continuous.environments.maze2d.simulator import Maze2D
from continuous.environments.registry import environment_for, robot_for
from continuous.environments.robot import Floats, Robot
from continuous.tasks.find import find_task

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

EPISODES = 3
TASKS = (
    "hopper-medium-v2",
    "halfcheetah-medium-v2",
    "walker2d-medium-v2",
    "ant-medium-v2",
    "maze2d-umaze-v1",
    "maze2d-medium-dense-v1",
    "maze2d-large-v1",
    "pen-expert-v1",
    "door-expert-v1",
    "hammer-expert-v1",
    "relocate-expert-v1",
)


def compare(robot: Robot, make: Callable[[], Any], steps: int, scale: float = 0.6) -> int:
    """Steps a batch and single environments with equal actions; returns how many states were terminal."""
    generator = np.random.default_rng(1)
    environments = [make() for _ in range(EPISODES)]
    first = np.stack([environment.reset(seed=seed)[0] for seed, environment in enumerate(environments)])
    terminals = 0
    with BatchSimulator(robot, threads=2, endless=True) as simulator:
        starts = [np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))) for seed in range(EPISODES)]
        np.testing.assert_allclose(simulator.reset(starts), first, atol=1e-10)  # Gymnasium's generator, its draws
        for _ in range(steps):
            actions = np.clip(generator.normal(0.0, scale, (EPISODES, robot.action_size)), -1.0, 1.0)
            step = simulator.step(actions)
            singles = [environment.step(action)[:3] for environment, action in zip(environments, actions, strict=True)]
            np.testing.assert_allclose(step.observations, np.stack([single[0] for single in singles]), atol=1e-10)
            np.testing.assert_allclose(step.rewards, [single[1] for single in singles], atol=1e-10)
            assert step.terminated.tolist() == [single[2] for single in singles]
            terminals += int(step.terminated.sum())
    for environment in environments:
        environment.close()
    return terminals


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_equals_the_single_environment_step_for_step(name: str) -> None:
    """Same starts and actions: same observations, rewards and terminations to 1e-10, past falls and collisions."""
    task = find_task(name)
    terminals = compare(robot_for(task), lambda: environment_for(task), steps=300)
    assert (terminals > 0) == (task.robot in ("hopper", "walker2d", "ant", "pen"))


@pytest.mark.parametrize("name", ["halfcheetah-jump", "ant-angle-30", "ant-angle-90"])  # the angle is a number
def test_out_of_distribution_batches_equal_their_environments(name: str) -> None:
    task = find_task(name)
    compare(robot_for(task), lambda: environment_for(task), steps=200)


def _corrected(robot: str, observation: Floats, reward: float) -> float:
    """The correction of facts/d4rl.md, section 3, difference 1 of Adroit."""
    distance = {
        "pen": lambda o: 0.0,
        "door": lambda o: np.linalg.norm(o[35:38]),
        "hammer": lambda o: np.linalg.norm(o[33:36] - o[36:39]),
        "relocate": lambda o: np.linalg.norm(o[30:33]),
    }[robot](observation)
    return reward - 0.2 * float(distance)


@pytest.mark.parametrize("name", ["pen", "door", "hammer", "relocate"])
def test_adroit_differs_from_gymnasium_robotics_as_the_facts_say(name: str) -> None:
    """Facts, section 3: the sign of the palm's distance, the pen's termination at o[26] < 0.075, D4RL's limits."""
    robot, raw = make_robot(name), make_raw_environment(name)
    generator = np.random.default_rng(2)
    observation, _ = raw.reset(seed=0)
    with BatchSimulator(robot, threads=1, endless=True) as simulator:
        start = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0)))
        np.testing.assert_allclose(simulator.reset([start])[0], observation, atol=1e-10)
        for _ in range(200):
            action = generator.uniform(-1.0, 1.0, robot.action_size)
            step = simulator.step(action[None])
            observation, reward, terminated, *_ = raw.step(action)
            np.testing.assert_allclose(step.observations[0], observation, atol=1e-10)
            assert step.rewards[0] == pytest.approx(_corrected(name, observation, reward), abs=1e-10)
            assert not terminated
            assert step.terminated[0] == (name == "pen" and observation[26] < 0.075)
    assert robot.episode_limit == {"pen": 100, "door": 200, "hammer": 200, "relocate": 200}[name]


def test_adroit_environments_are_cut_at_d4rls_limit() -> None:
    """Facts: gymnasium-robotics gives the door 200 steps, as D4RL does, and the pen 200 where D4RL gives 100."""
    for name, limit in (("door", 200), ("pen", 100)):
        environment = make_adroit_environment(name)
        environment.reset(seed=0)
        idle = np.zeros(environment.action_space.shape)
        assert [environment.step(idle)[3] for _ in range(limit)] == [False] * (limit - 1) + [True]


def test_a_terminated_episode_stays_where_it_ended() -> None:
    with BatchSimulator(Hopper(), threads=1) as simulator:
        simulator.reset([np.random.default_rng(seed) for seed in range(4)])
        ended: dict[int, Floats] = {}
        for _ in range(200):
            step = simulator.step(np.ones((4, 3)))
            for row, observation in ended.items():
                np.testing.assert_array_equal(step.observations[row], observation)
                assert step.rewards[row] == 0.0
                assert not step.terminated[row]
            ended |= {int(row): step.observations[row] for row in np.flatnonzero(step.terminated)}
        assert not simulator.running.any()
        assert len(ended) == 4


def test_an_episode_does_not_depend_on_its_neighbors_or_the_number_of_threads() -> None:
    def trajectory(episodes: int, threads: int) -> Floats:
        actions = np.random.default_rng(0).uniform(-1.0, 1.0, (50, 7, 6))
        with BatchSimulator(HalfCheetah(), threads=threads) as simulator:
            simulator.reset([np.random.default_rng(seed) for seed in range(episodes)])
            steps = [simulator.step(action[:episodes]) for action in actions]
        return np.array([[*step.observations[0], step.rewards[0]] for step in steps])

    alone = trajectory(1, 1)
    np.testing.assert_array_equal(trajectory(7, 1), alone)
    np.testing.assert_array_equal(trajectory(7, 3), alone)


def test_the_maze_clips_speeds_before_a_step_so_that_reported_ones_reach_5_2() -> None:
    """Facts, section 5: the clip at 5 m/s precedes the step; reported speeds reach 5.226 an axis."""
    with BatchSimulator(Maze2D("open", "dense"), threads=1) as simulator:
        simulator.reset([np.random.default_rng(seed) for seed in range(20)])
        speeds = [np.abs(simulator.step(np.ones((20, 2))).observations[:, 2:]).max() for _ in range(60)]
    assert 5.0 < max(speeds) < 5.227


def test_wrong_actions_are_named() -> None:
    with BatchSimulator(Hopper(), threads=1) as simulator:
        simulator.reset([np.random.default_rng(0)] * 2)
        with pytest.raises(InvalidShapeError, match=r"actions are \[2, 4\]; expected \[2, 3\]"):
            simulator.step(np.zeros((2, 4)))
        with pytest.raises(InvalidArgumentError, match="episode 1 is not finite"):
            simulator.step(np.array([[0.0, 0.0, 0.0], [0.0, np.nan, 0.0]]))
        with pytest.raises(InvalidArgumentError, match="number of episodes"):
            simulator.reset([])
    with pytest.raises(InvalidArgumentError, match="threads"):
        BatchSimulator(Hopper(), threads=0)
