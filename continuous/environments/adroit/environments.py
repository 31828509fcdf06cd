"""The Adroit tasks as Gymnasium environments with D4RL's rewards, limits and terminations.

gymnasium-robotics' "-v1" environments pay for the palm's distance instead of charging it (door, hammer, relocate),
let the pen lie where it fell, and run 200 steps for every task. `robots.py` says it right and overrules them here;
`models.py` undoes what newer MuJoCo changed about contacts.
"""

from __future__ import annotations

from typing import Any

from continuous.environments.adroit.models import make_raw_environment
from continuous.environments.adroit.robots import make_robot
from continuous.environments.robot_environment import make_robot_environment


def make_environment(robot: str, render_mode: str | None = None) -> Any:
    """D4RL's environment of one robot.

    Args:
        robot: "pen", "door", "hammer" or "relocate".
        render_mode: "rgb_array", "human" or None.

    Returns:
        A gymnasium.Env; actions in [-1, 1]. What D4RL calls `info["goal_achieved"]` is `info["success"]`.

    Raises:
        UnknownNameError: another robot.
        MissingPackageError: gymnasium-robotics is not installed.
    """
    return make_robot_environment(make_raw_environment(robot, render_mode), make_robot(robot))
