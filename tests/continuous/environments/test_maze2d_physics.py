"""The maze's maps and physics are D4RL's: facts of d4rl.md, sections 3 and 5."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from ampl.errors import UnknownNameError
from continuous.environments.maze2d.layouts import LAYOUTS, Layout, find_layout
from continuous.environments.maze2d.point_mass import PointMass, State, draw_start, make_model, model_xml
from continuous.tasks.registry import TASKS, Family

FREE_CELLS = {"umaze": 7, "eval-umaze": 7, "open": 15, "medium": 26, "eval-medium": 26, "large": 46, "eval-large": 47}
GOALS = {
    "umaze": (1, 1),
    "medium": (6, 6),
    "large": (7, 9),
    "eval-umaze": (1, 3),
    "eval-medium": (1, 6),
    "eval-large": (1, 9),
    "open": (2, 3),
}
LIMITS = {"umaze": 300, "medium": 600, "large": 800, "eval-umaze": 300, "eval-medium": 600, "eval-large": 800}

# Published maze2d-umaze-v1, D4RL issue 204: rows 91 and 92 are identical, two simulator steps lead from 91 to 93.
ROW_91 = (2.91980, 3.00080, 3.11187, 0.05080)
ROW_93 = (2.97575, 2.99969, 2.67490, -0.15740)


def free_states(layout: Layout, count: int, generator: np.random.Generator) -> list[State]:
    """States all over the free space, walls touched, at any speed that the limit allows."""
    states = []
    for _ in range(count):
        i, j = layout.free_cells[generator.integers(len(layout.free_cells))]
        x, y = np.array([i, j]) + generator.uniform(-0.61, 0.21, size=2)
        states.append((x, y, *generator.uniform(-5.2, 5.2, size=2).tolist()))
    return states


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=str)
def test_maps_have_the_free_cells_and_goals_of_d4rl(layout: Layout) -> None:
    assert len(layout.free_cells) == FREE_CELLS[layout.name]
    assert layout.goal == GOALS[layout.name]
    assert layout.goal in layout.free_cells
    border = {
        (i, j) for i, j in np.ndindex(layout.shape) if i in (0, layout.shape[0] - 1) or j in (0, layout.shape[1] - 1)
    }
    assert border <= layout.wall_cells
    assert len(layout.wall_cells) + len(layout.free_cells) == np.prod(layout.shape)


def test_episode_limits_are_those_of_the_tasks() -> None:
    for task in TASKS.values():
        if task.family is Family.MAZE2D:
            assert find_layout(task.robot).episode_limit == task.episode_limit
    assert {name: LAYOUTS[name].episode_limit for name in LIMITS} == LIMITS
    assert LAYOUTS["open"].episode_limit == 150


def test_an_unknown_map_is_named_with_its_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'umaze'"):
        find_layout("u-maze")


def test_the_ball_weighs_what_d4rl_s_does() -> None:
    model = make_model(find_layout("umaze"))
    assert model.body("ball").mass == pytest.approx(4.18879, abs=1e-5)
    assert (model.nq, model.nv, model.nu, model.opt.timestep) == (2, 2, 2, 0.01)


@pytest.mark.parametrize(
    ("version", "margin"), [("2.3.7", "0.002"), ("3.4.0", "0.002"), ("3.5.0", "0.001"), ("4.0.0", "0.001")]
)
def test_contact_margin_is_two_millimeters_in_every_mujoco(version: str, margin: str) -> None:
    """Up to 3.4 a contact's margin is the larger one of its geoms', from 3.5 on the sum."""
    assert f'margin="{margin}"' in model_xml(find_layout("umaze"), version)


def test_the_margin_of_contacts_found_by_this_mujoco_is_two_millimeters() -> None:
    ball = PointMass(find_layout("umaze"))
    ball.place((0.401, 2.8, 0.0, 0.0))
    walls = [c for c in ball.data.contact if "wall" in ball.model.geom(c.geom1).name + ball.model.geom(c.geom2).name]
    assert len(walls) >= 1
    assert {round(contact.includemargin, 9) for contact in walls} == {0.002}


def test_full_action_accelerates_by_23_87_meters_per_second_squared() -> None:
    ball = PointMass(find_layout("umaze"))
    ball.place((0.8, 0.8, 0.0, 0.0))
    velocity = ball.step(1.0, 0.0)[2]
    assert velocity / 0.01 == pytest.approx(23.87, rel=0.003)  # less by the damping within the step


def test_between_two_walls_the_ball_moves_from_0_6_below_to_0_2_above() -> None:
    """The corridor of umaze's cell (2, 3) runs along x; walls are at its sides along y."""
    ball = PointMass(find_layout("umaze"))
    for push, edge in ((-1.0, 3 - 0.6), (1.0, 3 + 0.2)):
        ball.place((1.9, 2.8, 0.0, 0.0))
        for _ in range(300):
            state = ball.step(0.0, push)
        assert state[1] == pytest.approx(edge, abs=0.01)


def test_velocities_are_clipped_before_the_step_and_so_reach_5_226() -> None:
    ball = PointMass(find_layout("open"))
    ball.place((2.0, 1.5, 9.0, -9.0))
    fast = ball.step(1.0, -1.0)
    ball.place((2.0, 1.5, 5.0, -5.0))
    assert ball.step(1.0, -1.0) == fast
    assert fast[2] == pytest.approx(5.226, abs=5e-4)
    assert fast[3] == pytest.approx(-5.226, abs=5e-4)


def test_starts_lie_near_integer_points_of_all_free_cells_the_goal_included() -> None:
    layout, generator = find_layout("umaze"), np.random.default_rng(0)
    starts = np.array([draw_start(layout, generator) for _ in range(2000)])
    cells = np.rint(starts[:, :2])
    assert {tuple(cell) for cell in cells.astype(int).tolist()} == set(layout.free_cells)
    assert np.abs(starts[:, :2] - cells).max() <= 0.1
    assert starts[:, 2:].std() == pytest.approx(0.1, rel=0.05)


def test_two_steps_lead_from_published_row_91_to_row_93_only_with_noise() -> None:
    """Between them the physics is linear, so the actions follow from a 4 x 4 system with bounds; d4rl.md, section 5.

    A unit of action moves the ball by 0.0024 m, so positions printed to 5e-6 m determine actions to about 0.002.
    """
    ball = PointMass(find_layout("umaze"))

    def after(actions: np.ndarray) -> np.ndarray:
        ball.place(ROW_91)
        ball.step(*actions[:2])
        return np.array(ball.step(*actions[2:]))

    origin = after(np.zeros(4))
    slopes = np.stack([after(unit) - origin for unit in np.eye(4)], axis=1)
    actions = lsq_linear(slopes, np.array(ROW_93) - origin, bounds=(-1.0, 1.0), tol=1e-14).x
    np.testing.assert_allclose(actions, [-0.7744, -0.0158, -1.0, -0.8574], atol=3e-3)
    assert actions[2] == pytest.approx(-1.0, abs=1e-4)  # the second action saturates
    assert np.abs(after(actions) - ROW_93).max() < 6e-6
    without_noise = after(np.array([-1.0, 0.0, -1.0, 0.0]))  # the controller brakes with all it has
    assert without_noise[2] == pytest.approx(2.62130, abs=1e-5)
    assert abs(without_noise[2] - ROW_93[2]) > 0.05


@pytest.mark.parametrize(("maze", "theirs"), [("umaze", "UMaze"), ("medium", "Medium"), ("large", "Large")])
def test_one_step_equals_pointmaze_of_gymnasium_robotics(maze: str, theirs: str) -> None:
    """Under the facts' map X = y + 0.7 - W/2, Y = H/2 - 0.7 - x, in contact and out of it."""
    pytest.importorskip("gymnasium_robotics")
    other = _point_maze(f"PointMaze_{theirs}-v3")
    layout, generator = find_layout(maze), np.random.default_rng(1)
    height, width = layout.shape
    ball, worst, touched = PointMass(layout), 0.0, 0
    for x, y, velocity_x, velocity_y in free_states(layout, 300, generator):
        action_x, action_y = generator.uniform(-1.0, 1.0, size=2)
        ball.place((x, y, velocity_x, velocity_y))
        ours = ball.step(action_x, action_y)
        touched += ball.data.nefc > 0
        other.set_state(np.array([y + 0.7 - width / 2, height / 2 - 0.7 - x]), np.array([velocity_y, -velocity_x]))
        big_x, big_y, big_velocity_x, big_velocity_y = other.step(np.array([action_y, -action_x]))[0]
        back = (height / 2 - 0.7 - big_y, big_x - 0.7 + width / 2, -big_velocity_y, big_velocity_x)
        worst = max(worst, np.abs(np.subtract(ours, back)).max())
    assert worst < 1e-10
    assert touched > 20


def _point_maze(name: str) -> Any:
    """Their point without the maze's wrapper, its contact margins as ours where this MuJoCo adds them."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import gymnasium
        import gymnasium_robotics
        import mujoco
    gymnasium.register_envs(gymnasium_robotics)
    environment: Any = gymnasium.make(name).unwrapped
    environment.reset(seed=0)
    if tuple(int(part) for part in mujoco.__version__.split(".")[:2]) >= (3, 5):
        environment.point_env.model.geom_margin *= 0.5
    return environment.point_env
