"""The waypoint controller plans, aims and re-plans as d4rl.md, section 5, describes."""

from collections import deque

import numpy as np
import pytest

from continuous.environments.maze2d.layouts import LAYOUTS, Cell, Layout, find_layout
from continuous.recreate.maze2d.controller import WaypointController
from continuous.recreate.maze2d.planner import GridPlanner


def distances_from(layout: Layout, start: Cell) -> dict[Cell, int]:
    """Moves to every free cell, by breadth-first search."""
    found, queue = {start: 0}, deque([start])
    while queue:
        i, j = queue.popleft()
        for neighbor in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if neighbor in layout.free_cells and neighbor not in found:
                found[neighbor] = found[i, j] + 1
                queue.append(neighbor)
    return found


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_every_plan_is_a_shortest_path_through_free_cells(layout: Layout) -> None:
    planner = GridPlanner(layout)
    for start in layout.free_cells:
        for target, distance in distances_from(layout, start).items():
            path = planner.path(start, target)
            assert path[-1] == target
            assert len(path) == max(distance, 1)
            assert set(path) <= set(layout.free_cells)


def test_equal_paths_are_decided_by_the_order_of_the_moves() -> None:
    """First down a column index, then up, then the same along rows."""
    open_space, medium = GridPlanner(find_layout("open")), GridPlanner(find_layout("medium"))
    assert open_space.path((1, 1), (3, 3)) == ((1, 2), (1, 3), (2, 3), (3, 3))
    assert open_space.path((3, 3), (1, 1)) == ((3, 2), (3, 1), (2, 1), (1, 1))
    assert medium.path((6, 2), (3, 3))[0] == (6, 1)  # both ways around are equally long
    assert medium.path((5, 1), (4, 4))[0] == (4, 1)


def test_a_ball_that_rounds_into_a_wall_is_led_out_of_it() -> None:
    assert GridPlanner(find_layout("umaze")).path((0, 1), (1, 2)) == ((1, 1), (1, 2))


def test_waypoints_are_shifted_towards_cell_middles_but_the_last_is_the_integer_target() -> None:
    controller = WaypointController(find_layout("umaze"), np.random.default_rng(0))
    controller.act(3.0, 1.0, 0.0, 0.0, (1.07, 0.93))
    waypoints, path = np.array(controller._waypoints), np.array([(3, 2), (3, 3), (2, 3), (1, 3), (1, 2), (1, 1)])
    assert waypoints[-1].tolist() == [1.0, 1.0]
    shifts = (path - waypoints)[:-1]
    assert shifts.min() > 0.0
    assert shifts.max() < 0.2
    assert np.unique(shifts).size == shifts.size


def test_the_action_is_a_clipped_spring_with_a_damper() -> None:
    controller = WaypointController(find_layout("umaze"), np.random.default_rng(0))
    target = (1.0, 1.0)  # in the cell of the ball: the only waypoint is the target itself
    assert controller.act(1.05, 1.04, 0.2, -0.1, target) == (pytest.approx(-0.7), pytest.approx(-0.3), True)
    assert controller.act(1.05, 1.2, 3.0, -3.0, target) == (-1.0, 1.0, False)


def test_it_has_not_arrived_while_it_moves_fast() -> None:
    """A displacement of 0.1 m between two calls counts as motion, whatever the distance."""
    controller = WaypointController(find_layout("umaze"), np.random.default_rng(0))
    controller.act(1.2, 1.0, 0.0, 0.0, (1.0, 1.0))
    assert not controller.act(1.05, 1.0, 0.0, 0.0, (1.0, 1.0))[2]
    assert controller.act(1.05, 1.0, 0.0, 0.0, (1.0, 1.0))[2]


def test_it_plans_again_only_when_the_target_s_cell_changes() -> None:
    """Why D4RL's reference controller, one object for all episodes, drives straight at the goal after the first."""
    controller = WaypointController(find_layout("umaze"), np.random.default_rng(0))
    controller.act(3.0, 1.0, 0.0, 0.0, (1.0, 1.0))
    plan = controller._waypoints
    controller.act(2.0, 3.0, 0.0, 0.0, (1.09, 0.91))
    assert controller._waypoints is plan
    controller.act(2.0, 3.0, 0.0, 0.0, (1.0, 2.0))
    assert controller._waypoints is not plan
