"""The Gymnasium environment of the maze: D4RL's task with today's interface."""

import logging
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ampl.errors import AmplError, InvalidArgumentError, InvalidShapeError, UnknownNameError
from continuous.environments.maze2d.environment import Maze2DEnvironment
from continuous.environments.maze2d.layouts import LAYOUTS, find_layout
from continuous.environments.maze2d.registration import environment_id, register_environments
from continuous.environments.maze2d.rendering import BALL, GOAL_ZONE, WALL, MazeView
from continuous.environments.maze2d.rewards import Reward

# Observations are unbounded, as in D4RL: the checker only warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:.*A Box observation space:UserWarning")


@pytest.mark.parametrize("name", [environment_id(layout, reward) for layout in LAYOUTS for reward in Reward])
def test_every_registered_maze_passes_gymnasium_s_checker(name: str) -> None:
    check_env(gymnasium.make(name).unwrapped, skip_render_check=True)


def test_pictures_pass_gymnasium_s_checker() -> None:
    check_env(gymnasium.make("ampl/Maze2D-umaze-v1", render_mode="rgb_array").unwrapped)


def test_registration_loads_neither_mujoco_nor_torch() -> None:
    code = (
        "import sys, continuous.environments.maze2d; sys.exit(bool({'mujoco', 'torch', 'pygame'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ids_are_registered_once(caplog: pytest.LogCaptureFixture) -> None:
    before = len(gymnasium.registry)
    with caplog.at_level(logging.WARNING):
        register_environments()
    assert len(gymnasium.registry) == before
    assert "ampl/Maze2D-open-dense-v0" in gymnasium.registry


@pytest.mark.parametrize("layout", ["umaze", "medium", "large"])
def test_an_episode_never_terminates_and_is_truncated_at_d4rl_s_limit(layout: str) -> None:
    environment = gymnasium.make(environment_id(layout))
    environment.reset(seed=0, options={"state": [*find_layout(layout).goal, 0.0, 0.0]})
    steps = [environment.step(np.zeros(2, dtype=np.float32)) for _ in range(find_layout(layout).episode_limit)]
    assert not any(terminated for _, _, terminated, _, _ in steps)  # though the ball is at the goal
    assert [truncated for _, _, _, truncated, _ in steps].index(True) == len(steps) - 1
    assert sum(reward for _, reward, _, _, _ in steps) == len(steps)
    assert all(info["success"] for *_, info in steps)


def test_rewards_are_those_of_the_state_after_the_step() -> None:
    state = [1.0, 1.499, 0.0, 4.0]  # within reach of the goal, leaving
    for reward, expected in ((Reward.SPARSE, 0.0), (Reward.DENSE, None)):
        environment = Maze2DEnvironment("umaze", reward)
        environment.reset(options={"state": state})
        observation, paid, _, _, info = environment.step([0.0, 0.0])
        distance = np.hypot(*(observation[:2] - [1.0, 1.0]))
        assert distance > 0.5
        assert paid == (pytest.approx(np.exp(-distance)) if expected is None else expected)
        assert not info["success"]


def test_the_goal_s_disc_is_closed() -> None:
    assert Reward.SPARSE.at(np.array([[1.0, 1.5], [1.0, 1.5000001]]), (1, 1)).tolist() == [1.0, 0.0]


def test_the_goal_is_the_same_exact_point_in_every_episode() -> None:
    environment = Maze2DEnvironment("large")
    for seed in range(3):
        environment.reset(seed=seed)
        assert environment.goal.tolist() == [7.0, 9.0]


def test_actions_beyond_one_are_clipped() -> None:
    environment, results = Maze2DEnvironment("umaze"), []
    for action in ([1.0, -1.0], [7.0, -3.0]):
        environment.reset(seed=4)
        results.append(environment.step(action)[0].tolist())
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"layout": "umase"}, UnknownNameError, "Did you mean 'umaze'"),
        ({"reward": "spares"}, InvalidArgumentError, "expected one of sparse, dense"),
        ({"render_mode": "ansi"}, InvalidArgumentError, "expected 'rgb_array'"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], error: type[AmplError], words: str) -> None:
    with pytest.raises(error, match=words):
        Maze2DEnvironment(**arguments)


@pytest.mark.parametrize(
    ("action", "error"),
    [([0.0], InvalidShapeError), ([[0.0, 0.0]], InvalidShapeError), ([np.nan, 0.0], InvalidArgumentError)],
)
def test_wrong_actions_are_refused(action: Any, error: type[AmplError]) -> None:
    environment = Maze2DEnvironment("umaze")
    environment.reset(seed=0)
    with pytest.raises(error):
        environment.step(action)


@pytest.mark.parametrize(
    "options", [{"goal": [1, 1]}, {"state": [1.0, 1.0]}, {"state": [np.inf, 1, 0, 0]}, {"state": [1.8, 0.8, 0, 0]}]
)
def test_wrong_starts_are_refused(options: dict[str, Any]) -> None:
    """The last one lies in the middle of a wall."""
    with pytest.raises(InvalidArgumentError, match=r"option"):
        Maze2DEnvironment("umaze").reset(options=options)


def test_pictures_show_walls_goal_and_ball_where_they_are() -> None:
    view = MazeView(find_layout("umaze"), longest_side=250)
    image = view.draw(2.8, 0.8)  # the middle of cell (3, 1)
    assert view.size == image.shape[:2] == (250, 250)
    assert tuple(image[175, 75]) == BALL
    assert tuple(image[25, 25]) == WALL
    assert tuple(image[85, 95]) == GOAL_ZONE  # the goal (1, 1) is drawn below and right of its cell's middle (75, 75)
    assert np.array_equal(image, view.draw(2.8, 0.8))  # drawing leaves no trace
    wide = MazeView(find_layout("large"), longest_side=480)
    assert wide.size == (9 * 40, 12 * 40)


def test_pictures_come_only_in_the_mode_for_them() -> None:
    environment = Maze2DEnvironment("umaze", render_mode="rgb_array")
    environment.reset(seed=0)
    picture = environment.render()
    assert picture is not None
    assert picture.dtype == np.uint8
    assert Maze2DEnvironment("umaze").render() is None


@pytest.mark.filterwarnings("ignore:.*natively support")
def test_a_window_shows_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    environment = gymnasium.make("ampl/Maze2D-umaze-v1", render_mode="human")
    try:
        environment.reset(seed=0, options={"state": [2.8, 0.8, 0.0, 0.0]})
        shown = pygame.surfarray.array3d(pygame.display.get_surface()).transpose(1, 0, 2)
        assert np.array_equal(shown, MazeView(find_layout("umaze")).draw(2.8, 0.8))
    finally:
        environment.close()
