"""When an episode of each robot ends by itself: the one copy of these rules, for simulators and for model rollouts.

A rule takes states [..., D] laid out like the robot's observations, in their own units (a model that predicts
normalized observations must undo that first), and says which are terminal, [...] of bool. It is written with
operators that numpy arrays and torch tensors share, so it stays on the device of its input. A state that is not
finite is terminal wherever the robot's simulator checks its health (hopper, walker2d, ant).

Hopper's bound of 100 applies to raw velocities; observations clip velocities at 10, so on true observations only height
and angle can end an episode. Source: the termination of D4RL's environments (Gym "-v2" MuJoCo and Adroit).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from ampl.errors import UnknownNameError
from continuous.tasks.registry import Family, Task

States: TypeAlias = Any  # a numpy array or a torch tensor [..., D]
Flags: TypeAlias = Any  # of the same kind, [...] of bool
Termination: TypeAlias = Callable[[States], Flags]

PEN_DROP_HEIGHT = 0.075  # m: below it the pen has fallen out of the hand
_PEN_HEIGHT = 26  # where pen observations hold the height of the pen


def find_termination(task: Task) -> Termination:
    """The rule of a task's robot; a relabelled reward changes none."""
    return never if task.family in (Family.MAZE2D, Family.LINEAR_GAUSSIAN) else robot_termination(task.robot)


def robot_termination(robot: str) -> Termination:
    """The rule of a robot.

    Raises:
        UnknownNameError: no rule is known for it.
    """
    if robot not in TERMINATIONS:
        raise UnknownNameError("robot", robot, TERMINATIONS)
    return TERMINATIONS[robot]


def bounded(rule: Termination, limit: float) -> Termination:
    """The rule, and an end wherever an entry of the state is not below `limit` in magnitude: for rollouts of a model.

    Source: OfflineRL-Kit, whose model paths end so at 100 on halfcheetah, hopper and walker2d.
    """
    return lambda state: rule(state) | ~(abs(state) < limit).all(-1)


def never(state: States) -> Flags:
    """No state is terminal: halfcheetah, the mazes, door, hammer, relocate, the HIV task."""
    return state[..., 0] < -math.inf  # false everywhere, on the device of the state


def hopper(state: States) -> Flags:
    """Height at most 0.7 m, angle 0.2 rad or more either way, or anything after the height 100 or more either way."""
    height, angle = state[..., 0], state[..., 1]
    bounded = (abs(state[..., 1:]) < 100.0).all(-1)
    return ~((height > 0.7) & (height < math.inf) & (abs(angle) < 0.2) & bounded)


def walker2d(state: States) -> Flags:
    """Height outside (0.8, 2) m, or angle outside (-1, 1) rad."""
    height, angle = state[..., 0], state[..., 1]
    return ~((height > 0.8) & (height < 2.0) & (abs(angle) < 1.0))


def ant(state: States) -> Flags:
    """Height outside [0.2, 1] m, or anything not finite."""
    height = state[..., 0]
    return ~((height >= 0.2) & (height <= 1.0) & (abs(state) < math.inf).all(-1))


def humanoid(state: States) -> Flags:
    """Height outside [1, 2] m."""
    height = state[..., 0]
    return (height < 1.0) | (height > 2.0)


def pen(state: States) -> Flags:
    """The pen is dropped: lower than `PEN_DROP_HEIGHT`."""
    return state[..., _PEN_HEIGHT] < PEN_DROP_HEIGHT


TERMINATIONS: Mapping[str, Termination] = MappingProxyType(
    {
        "halfcheetah": never,
        "hopper": hopper,
        "walker2d": walker2d,
        "ant": ant,
        "humanoid": humanoid,
        "pen": pen,
        "door": never,
        "hammer": never,
        "relocate": never,
        "hiv": never,
    }
)
