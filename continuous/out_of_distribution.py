"""MOPO's out-of-distribution tasks: data of one task, relabelled with the reward of another.

halfcheetah-jump: run and jump. The data's own reward is min{v_x, 3} - 0.1 |a|^2, the new one adds the height:

    min{v_x, 3} - 0.1 |a|^2 + 15 (z - z_init).

MOPO prints max{v_x, 3}; its text says that the maximum velocity is set to 3, so min is meant, and min is used here.
z is the height after the step; z_init is that of the default pose (0 in the robot's coordinates), not of an episode's
noisy start, so that the reward stays a function of states and actions.

ant-angle-30, -45, -60, -90: walk at an angle to the x axis, in degrees. In the data's reward, which is Ant's own, the
forward velocity v_x becomes v_x cos(angle) + v_y sin(angle); what else Ant pays (control cost, contact cost, +1 for
health) stays. Observations are the 27 without contact forces, as in MOPO.

Both are evaluated in raw returns and end as their robots do: halfcheetah never, ant outside [0.2, 1] m of height.
Source: MOPO, section 5.3 and appendix.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError, UnknownNameError
from continuous.d4rl_data import D4RLData
from continuous.locomotion.environments import make_environment
from continuous.simulators.environment import make_robot_environment
from continuous.simulators.locomotion import Ant, HalfCheetah
from continuous.simulators.robot import Floats, Robot, Snapshot
from continuous.tasks import ANT_ANGLES

VELOCITY_LIMIT = 3.0  # m/s: running faster pays no more
HEIGHT_WEIGHT = 15.0  # reward units a meter
JUMP = "halfcheetah-jump"
ANGLES = {f"ant-angle-{angle}": angle for angle in ANT_ANGLES}  # degrees
NAMES = (JUMP, *ANGLES)
TORSO_VELOCITY = "torso_velocity"  # in `infos`: what Ant is paid for, [N, 2], m/s
_ANT_SIZE = 27  # of Ant's observations without contact forces
_ANT_VELOCITY = slice(13, 15)  # of the torso along x and y, in observations
_ANT_STEP = 0.05  # s


def relabel(name: str, data: D4RLData) -> D4RLData:
    """A buffer of the original task with the rewards (and, for ant, the observations) of an out-of-distribution task.

    Args:
        name: one of `NAMES`.
        data: for halfcheetah-jump with `next_observations`; its rewards may be the capped ones or plain HalfCheetah's,
            the labels are the same. For ant-angle with `next_observations` and Ant's own reward, and either
            `infos/torso_velocity` (the labels are exact) or `infos/qpos`, whose x and y must be those of the simulator
            (D4RL's published files have re-integrated ones).

    Raises:
        UnknownNameError: another name.
        InvalidArgumentError: the buffer lacks one of these arrays.
        InvalidShapeError: the buffer is of another robot.
    """
    _check_name(name)
    return _relabel_jump(data) if name == JUMP else _relabel_angle(data, ANGLES[name])


def make_robot(name: str) -> Robot:
    """The batched simulation that scores policies in an out-of-distribution task; returns are not normalized.

    Raises:
        UnknownNameError: not one of `NAMES`.
    """
    _check_name(name)
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
    _check_name(name)
    return JumpingHalfCheetah(height_weight=0.0) if name == JUMP else AngledAnt(0.0)


def make_training_environment() -> Any:
    """The training robot of halfcheetah-jump as a Gymnasium environment."""
    return make_robot_environment(make_environment("halfcheetah"), make_training_robot(JUMP))


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
        self._direction = _direction(angle)
        self.observation_size = _ANT_SIZE

    def observe(self, snapshot: Snapshot) -> Floats:
        """Positions and velocities."""
        return super().observe(snapshot)[:, :_ANT_SIZE]

    def forward(self, before: Snapshot, after: Snapshot) -> Floats:
        """v_x cos(angle) + v_y sin(angle), in m/s."""
        return self.torso_velocity(before, after) @ self._direction


def _relabel_jump(data: D4RLData) -> D4RLData:
    following = _next_observations(data, JUMP)
    _check_sizes(data, "halfcheetah", 17, 6)
    cost = HalfCheetah.control_cost * np.square(data.actions, dtype=np.float64).sum(axis=1)
    velocity = data.rewards + cost  # v_x, or min{v_x, 3}: the limit below makes them equal
    rewards = np.minimum(velocity, VELOCITY_LIMIT) - cost + HEIGHT_WEIGHT * following[:, 0].astype(np.float64)
    return replace(data, rewards=rewards.astype(np.float32))


def _relabel_angle(data: D4RLData, angle: float) -> D4RLData:
    following = _next_observations(data, "ant-angle")
    _check_sizes(data, "ant", _ANT_SIZE, 8)
    turn = _direction(angle) - _direction(0.0)
    rewards = data.rewards + _ant_velocity(data, following) @ turn
    return replace(
        data,
        rewards=rewards.astype(np.float32),
        observations=data.observations[:, :_ANT_SIZE].copy(),
        next_observations=following[:, :_ANT_SIZE].copy(),
    )


def _ant_velocity(data: D4RLData, following: Any) -> Floats:
    """Mean velocity along x and y in each step, [N, 2], in m/s.

    As the simulator had it, if that was recorded. Else from the positions before this step and before the next one;
    at the end of an episode, where the next row belongs to another, the mean of the velocities before and after the
    step.
    """
    if TORSO_VELOCITY in data.infos:
        return np.asarray(data.infos[TORSO_VELOCITY], dtype=np.float64)
    if "qpos" not in data.infos:
        raise InvalidArgumentError("ant-angle needs 'infos/qpos', the simulator's positions; the buffer lacks it.")
    place = np.asarray(data.infos["qpos"], dtype=np.float64)[:, :2]
    ends = data.terminals | data.timeouts
    ends[-1] = True
    velocity = (data.observations[:, _ANT_VELOCITY].astype(np.float64) + following[:, _ANT_VELOCITY]) / 2.0
    inside = np.flatnonzero(~ends)
    velocity[inside] = (place[inside + 1] - place[inside]) / _ANT_STEP
    return velocity


def _next_observations(data: D4RLData, name: str) -> Any:
    if data.next_observations is None:
        raise InvalidArgumentError(f"{name} needs 'next_observations'; the buffer lacks them.")
    return data.next_observations


def _check_sizes(data: D4RLData, robot: str, observation_size: int, action_size: int) -> None:
    found = (data.observations.shape[1], data.actions.shape[1])
    if found[0] < observation_size or found[1] != action_size:
        raise InvalidShapeError(
            f"the buffer has observations of {found[0]} and actions of {found[1]} numbers; "
            f"{robot} has {observation_size} and {action_size}."
        )


def _check_name(name: str) -> None:
    if name not in NAMES:
        raise UnknownNameError("out-of-distribution task", name, NAMES)


def _direction(angle: float) -> Floats:
    """The unit vector at an angle in degrees."""
    return np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
