"""The robots of MOPO's out-of-distribution tasks: a cheetah that is paid for jumping, an ant that walks at an angle.

What they pay is in `continuous.recreate.relabelled.relabel`, which gives data of the original robots the same rewards.
Source: MOPO, section 5.3 and appendix.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ampl.errors import UnknownNameError
from continuous.environments.locomotion.gymnasium import make_environment
from continuous.environments.locomotion.robots import Ant, HalfCheetah
from continuous.environments.robot import Floats, Robot, Snapshot
from continuous.environments.robot_environment import make_robot_environment
from continuous.tasks.registry import ANT_ANGLES

VELOCITY_LIMIT = 3.0  # m/s: running faster pays no more
HEIGHT_WEIGHT = 15.0  # reward units a meter
JUMP = "halfcheetah-jump"
ANGLES = {f"ant-angle-{angle}": angle for angle in ANT_ANGLES}  # degrees
NAMES = (JUMP, *ANGLES)
TORSO_VELOCITY = "torso_velocity"  # in `infos`: what Ant is paid for, [N, 2], m/s
ANT_SIZE = 27  # of Ant's observations without contact forces


def make_robot(name: str) -> Robot:
    """The batched simulation that scores policies in an out-of-distribution task; returns are not normalized.

    Raises:
        UnknownNameError: not one of `NAMES`.
    """
    check_name(name)
    return JumpingHalfCheetah() if name == JUMP else AngledAnt(ANGLES[name])


def make_evaluation_environment(name: str, render_mode: str | None = None) -> Any:
    """The same as a Gymnasium environment.

    Raises:
        UnknownNameError: not one of `NAMES`.
    """
    robot = make_robot(name)
    original = "halfcheetah" if name == JUMP else "ant"
    return make_robot_environment(make_environment(original, render_mode=render_mode), robot)


def make_training_robot(name: str) -> Robot:
    """The batched simulation that the data of an out-of-distribution task come from.

    For halfcheetah-jump, running that pays up to 3 m/s, and no height; for ant-angle, Ant's own reward with the 27
    observations.

    Raises:
        UnknownNameError: not one of `NAMES`.
    """
    check_name(name)
    return JumpingHalfCheetah(height_weight=0.0) if name == JUMP else AngledAnt(0.0)


class JumpingHalfCheetah(HalfCheetah):
    """HalfCheetah that is paid for height, and for speed only up to a limit."""

    def __init__(self, height_weight: float = HEIGHT_WEIGHT) -> None:
        super().__init__()
        self._height_weight = height_weight

    def reward(self, before: Snapshot, after: Snapshot, actions: Floats) -> Floats:
        """The formula of the module's docstring."""
        return super().reward(before, after, actions) + self._height_weight * after.position[:, 1]

    def forward(self, before: Snapshot, after: Snapshot) -> Floats:
        """min{v_x, 3}, in m/s."""
        return np.minimum(super().forward(before, after), VELOCITY_LIMIT)


class AngledAnt(Ant):
    """Ant that is paid for walking at an angle, in degrees."""

    def __init__(self, angle: float) -> None:
        super().__init__()
        self._direction = direction(angle)
        self.observation_size = ANT_SIZE

    def observe(self, snapshot: Snapshot) -> Floats:
        """Positions and velocities."""
        return super().observe(snapshot)[:, :ANT_SIZE]

    def forward(self, before: Snapshot, after: Snapshot) -> Floats:
        """v_x cos(angle) + v_y sin(angle), in m/s."""
        return self.torso_velocity(before, after) @ self._direction


def check_name(name: str) -> None:
    """Raises UnknownNameError unless the name is one of `NAMES`."""
    if name not in NAMES:
        raise UnknownNameError("out-of-distribution task", name, NAMES)


def direction(angle: float) -> Floats:
    """The unit vector at an angle in degrees."""
    return np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
