"""MOPO's out-of-distribution tasks: data of one task, relabelled with the reward of another.

halfcheetah-jump: run and jump. The data's own reward is min{v_x, 3} - 0.1 |a|^2, the new one adds the height:

    min{v_x, 3} - 0.1 |a|^2 + 15 (z - z_init).

MOPO prints max{v_x, 3}; its text says that the maximum velocity is set to 3, so min is meant, and min is used here.
z is the height after the step; z_init is that of the default pose (0 in the robot's coordinates), not of an episode's
noisy start, so that the reward stays a function of states and actions.

ant-angle-30, -45, -60, -90: walk at an angle to the x axis, in degrees. In the data's reward, which is Ant's own, the
forward velocity v_x becomes v_x cos(angle) + v_y sin(angle); what else Ant pays (control cost, +1 for health)
stays. Observations are the 27 without contact forces, as in MOPO.

Both are evaluated in raw returns and end as their robots do: halfcheetah never, ant outside [0.2, 1] m of height.
Source: MOPO, section 5.3 and appendix.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.data.d4rl_data import D4RLData
from continuous.environments.locomotion.out_of_distribution import (
    ANGLES,
    ANT_SIZE,
    HEIGHT_WEIGHT,
    JUMP,
    TORSO_VELOCITY,
    VELOCITY_LIMIT,
    check_name,
    direction,
)
from continuous.environments.locomotion.robots import HalfCheetah
from continuous.environments.robot import Floats

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
    check_name(name)
    return _relabel_jump(data) if name == JUMP else _relabel_angle(data, ANGLES[name])


def _relabel_jump(data: D4RLData) -> D4RLData:
    following = _next_observations(data, JUMP)
    _check_sizes(data, "halfcheetah", 17, 6)
    cost = HalfCheetah.control_cost * np.square(data.actions, dtype=np.float64).sum(axis=1)
    velocity = data.rewards + cost  # v_x, or min{v_x, 3}: the limit below makes them equal
    rewards = np.minimum(velocity, VELOCITY_LIMIT) - cost + HEIGHT_WEIGHT * following[:, 0].astype(np.float64)
    return replace(data, rewards=rewards.astype(np.float32))


def _relabel_angle(data: D4RLData, angle: float) -> D4RLData:
    following = _next_observations(data, "ant-angle")
    _check_sizes(data, "ant", ANT_SIZE, 8)
    turn = direction(angle) - direction(0.0)
    rewards = data.rewards + _ant_velocity(data, following) @ turn
    return replace(
        data,
        rewards=rewards.astype(np.float32),
        observations=data.observations[:, :ANT_SIZE].copy(),
        next_observations=following[:, :ANT_SIZE].copy(),
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
