"""A Gymnasium environment that a batched robot defines: for collecting, videos, and anyone else's code.

The wrapped environment moves and renders; what is observed, paid and ended is the robot's word. So a task that differs
from a Gymnasium environment is written down once, and serves batches and single environments alike.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import TimeLimit

from continuous.environments.robot import Robot, Snapshot


def make_robot_environment(environment: Any, robot: Robot) -> Any:
    """The robot's task as a gymnasium.Env, cut at its time limit.

    Args:
        environment: a Gymnasium environment of the same model, which starts its episodes as the robot does; wrappers
            around it are taken off.
        robot: whose observations, rewards and terminations count.
    """
    return TimeLimit(RobotEnvironment(environment.unwrapped, robot), robot.episode_limit)


class RobotEnvironment(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The wrapped simulator with the robot's task; actions are clipped to [-1, 1]."""

    def __init__(self, environment: Any, robot: Robot) -> None:
        super().__init__(environment)
        self.robot = robot
        self.observation_space = Box(-np.inf, np.inf, (robot.observation_size,), np.float64)

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Starts an episode as the wrapped environment does."""
        _, info = self.env.reset(**options)
        return self.robot.observe(self._snapshot())[0], info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One action; of the wrapped environment's answer only the time limit and the information are kept."""
        clipped = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        before = self._snapshot()
        _, _, _, truncated, info = self.env.step(clipped)
        after = self._snapshot()
        reward = float(self.robot.reward(before, after, clipped[None])[0])
        return self.robot.observe(after)[0], reward, bool(self.robot.terminated(after)[0]), truncated, info

    def _snapshot(self) -> Snapshot:
        data: Any = self.env.unwrapped.data  # type: ignore[attr-defined]
        readings = np.zeros((1, self.robot.readings_size))
        self.robot.read(data, readings[0])
        return Snapshot(
            position=data.qpos[None].copy(),
            velocity=data.qvel[None].copy(),
            readings=readings,
            placement=np.zeros((1, 0)),
        )
