"""The two rewards of the maze, functions of a position and the task's goal.  Source: D4RL 1.1, maze2d.

The environment pays for the position after the step; D4RL's files pay for the position before it, since their rewards
were computed afterwards from the stored observations. The two differ by a shift of one step.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from continuous.environments.maze2d.layouts import Cell

GOAL_RADIUS = 0.5  # meters around the goal, inclusive


class Reward(StrEnum):
    """How a position is paid; the values are the dataset names of the tasks."""

    SPARSE = "sparse"  # 1 within GOAL_RADIUS, otherwise 0
    DENSE = "dense"  # exp(-distance), distance in meters

    def at(self, positions: NDArray[Any], goal: Cell) -> NDArray[np.float64]:
        """Rewards of positions.

        Args:
            positions: x and y in meters, [..., 2].
            goal: of the layout.

        Returns:
            Rewards, [...].
        """
        distance = np.linalg.norm(np.asarray(positions, dtype=np.float64) - np.array(goal, dtype=np.float64), axis=-1)
        return np.asarray(np.where(distance <= GOAL_RADIUS, 1.0, 0.0) if self is Reward.SPARSE else np.exp(-distance))
