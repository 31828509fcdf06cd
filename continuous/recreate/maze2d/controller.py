"""The waypoint controller that collected D4RL's maze data and set its reference scores.

It plans cells to the target, draws a point near the true middle of each, and pulls the ball from point to point like a
damped spring. It plans again only when the target's cell changes: one controller used for episodes that share a goal
plans in the first only, later drives straight at the goal and gets stuck behind walls in about half of them. That is
how D4RL's reference scores were made, so 100 is not the level of a working controller.
"""

from __future__ import annotations

from math import sqrt
from typing import TypeAlias

import numpy as np

from continuous.environments.maze2d.layouts import Cell, Layout
from continuous.recreate.maze2d.planner import GridPlanner

Point: TypeAlias = tuple[float, float]

STIFFNESS = 10.0  # action per meter
DAMPING = 1.0  # action per m/s
ARRIVAL_DISTANCE = 0.1  # meters; also the largest displacement between two calls that counts as rest
WAYPOINT_SHIFT = 0.2  # meters; a waypoint lies up to this far below its cell's integer point along both axes


class WaypointController:
    """Drives to one target after another.

    Args:
        layout: the map.
        generator: draws the waypoints.
        planner: shared by controllers of one map to save planning time; a new one if not given.
    """

    def __init__(self, layout: Layout, generator: np.random.Generator, planner: GridPlanner | None = None) -> None:
        self._planner = GridPlanner(layout) if planner is None else planner
        self._generator = generator
        self._target: Point | None = None
        self._cell: Cell | None = None
        self._goal: Point = (0.0, 0.0)
        self._waypoints: list[Point] = []
        self._current = 0
        self._previous: Point = (0.0, 0.0)

    def act(self, x: float, y: float, velocity_x: float, velocity_y: float, target: Point) -> tuple[float, float, bool]:
        """The next action.

        Args:
            x: of the ball, in meters.
            y: likewise.
            velocity_x: of the ball, in m/s.
            velocity_y: likewise.
            target: where to go; the controller heads for the integer point of its cell.

        Returns:
            The action, entries in [-1, 1], and whether the ball has arrived.
        """
        if target != self._target:
            self._set_target(target, x, y)
        goal_x, goal_y = self._goal
        previous_x, previous_y = self._previous
        self._previous = x, y
        resting = _distance(x - previous_x, y - previous_y) < ARRIVAL_DISTANCE
        if resting and _distance(x - goal_x, y - goal_y) < ARRIVAL_DISTANCE:
            return *_pull(goal_x - x, goal_y - y, velocity_x, velocity_y), True
        aim_x, aim_y = self._waypoints[self._current]
        offset_x, offset_y = aim_x - x, aim_y - y
        if resting and _distance(offset_x, offset_y) < ARRIVAL_DISTANCE and self._current < len(self._waypoints) - 1:
            self._current += 1
        return *_pull(offset_x, offset_y, velocity_x, velocity_y), False

    def _set_target(self, target: Point, x: float, y: float) -> None:
        self._target = target
        cell = round(target[0]), round(target[1])
        if cell == self._cell:
            return
        start = round(x), round(y)
        self._cell = cell
        self._goal = float(cell[0]), float(cell[1])
        self._waypoints = [self._waypoint(on_path) for on_path in self._planner.path(start, cell)]
        self._current = 0
        self._previous = (float(start[0]), float(start[1]))

    def _waypoint(self, cell: Cell) -> Point:
        """A point of a cell on the way: shifted towards the cell's middle, but the target's cell is not."""
        if cell == self._cell:
            return self._goal
        shift_x, shift_y = self._generator.uniform(0.0, WAYPOINT_SHIFT, size=2).tolist()
        return cell[0] - shift_x, cell[1] - shift_y


def _distance(x: float, y: float) -> float:
    return sqrt(x * x + y * y)


def _pull(offset_x: float, offset_y: float, velocity_x: float, velocity_y: float) -> Point:
    """The spring and its damper, clipped to [-1, 1]."""
    pull_x = STIFFNESS * offset_x - DAMPING * velocity_x
    pull_y = STIFFNESS * offset_y - DAMPING * velocity_y
    return min(max(pull_x, -1.0), 1.0), min(max(pull_y, -1.0), 1.0)
