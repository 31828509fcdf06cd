"""When an episode of each robot ends by itself: the one copy of these rules, for simulators and for model rollouts.

A rule takes states [..., D] laid out like the robot's observations, in their own units (a model that predicts
normalized observations must undo that first), and says which are terminal, [...] of bool. It is written with
operators that numpy arrays and torch tensors share, so it stays on the device of its input. A state that is not
finite is terminal wherever the robot's simulator checks its health (hopper, walker2d, ant). A model asks with the whole
transition, since the rule of a user may need it.

Hopper's bound of 100 applies to raw velocities; observations clip velocities at 10, so on true observations only height
and angle can end an episode. Source: the termination of D4RL's environments (Gym "-v2" MuJoCo and Adroit).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from ampl.error_places import located_words
from ampl.errors import InvalidArgumentError, UnknownNameError
from continuous.tasks.own import center_and_half_width, find_function, unscaled
from continuous.tasks.registry import Family, Own, Task

States: TypeAlias = Any  # a numpy array or a torch tensor [..., D]
Flags: TypeAlias = Any  # of the same kind, [...] of bool
Termination: TypeAlias = Callable[[States], Flags]
Rule: TypeAlias = Callable[[States, States, States], Flags]  # of states, actions and next states, [..., D] or [..., A]

UNKNOWN = "unknown"
"""In place of a rule's name where data have ends and nobody said when: for algorithms that have no model."""

PEN_DROP_HEIGHT = 0.075  # m: below it the pen has fallen out of the hand
_PEN_HEIGHT = 26  # where pen observations hold the height of the pen


def find_termination(task: Task) -> Termination:
    """The rule of a task's robot; a relabelled reward changes none."""
    return never if task.family in (Family.MAZE2D, Family.LINEAR_GAUSSIAN) else robot_termination(task.robot)


def model_rule(task: Task) -> Rule:
    """When paths of a model of the task end.

    Raises:
        InvalidArgumentError: the function that the user named cannot be had.
    """
    return of_next_state(find_termination(task)) if task.own is None else own_rule(task.own)


def own_rule(own: Own) -> Rule:
    """The rule that goes with data of the user's own, `never` where none is known; raises like `model_rule`."""
    if own.rule is None and ":" not in own.termination:
        endless = own.termination in ("never", UNKNOWN)
        return of_next_state(never if endless else robot_termination(own.termination))
    return GivenRule(own.rule or find_function(own.termination, "--termination"), own)


def of_next_state(rule: Termination) -> Rule:
    """A rule that looks at the next state alone."""
    return lambda state, action, next_state: rule(next_state)


class GivenRule:
    """A function of the user's as a `Rule`: it gets rows, and actions in the environment's units.

    On a CPU the rows are numpy arrays, on a GPU torch tensors, so that nothing leaves the device.

    Args:
        function: from states [N, D], actions [N, A] and next states [N, D] to [N] of bool.
        own: whose actions these are.
    """

    def __init__(self, function: Callable[..., Any], own: Own) -> None:
        self._function, self._own = function, own
        self._units: tuple[Any, Any] | None = None  # center and half width on a GPU, kept for recorded steps

    def __call__(self, state: States, action: States, next_state: States) -> Flags:
        """[...] of bool.  Raises InvalidArgumentError for what is not a flag a row."""
        state_rows, action_rows, next_rows = (rows.reshape(-1, rows.shape[-1]) for rows in (state, action, next_state))
        if isinstance(state, np.ndarray):
            return self._checked(state_rows, unscaled(self._own, action_rows), next_rows).reshape(state.shape[:-1])
        import torch

        if state.device.type == "cpu":
            units = unscaled(self._own, action_rows.numpy())
            flags: Any = torch.from_numpy(self._checked(state_rows.numpy(), units, next_rows.numpy()))
        else:
            if self._units is None:
                center, half_width = map(action.new_tensor, center_and_half_width(self._own))
                self._units = center, half_width
            center, half_width = self._units
            flags = self._called(state_rows, center + half_width * action_rows, next_rows)
        return flags.reshape(state.shape[:-1])

    def _checked(self, *rows: Any) -> Any:
        flags = np.asarray(self._called(*(given.copy() for given in rows)))  # it may write into what it gets
        if flags.shape != (len(rows[0]),) or flags.dtype != np.bool_:
            raise InvalidArgumentError(
                f"the rule {self._own.termination} gives {flags.dtype}{list(flags.shape)} for {len(rows[0])} rows; "
                f"expected bool[{len(rows[0])}] of states, actions and next states with a row each."
            )
        return flags

    def _called(self, *rows: Any) -> Any:
        try:
            return self._function(*rows)
        except (Exception, SystemExit) as error:  # whatever the user's function raises
            raise InvalidArgumentError(
                f"the rule {self._own.termination} fails on {len(rows[0])} rows ({located_words(error)}); expected a "
                "function of states [N, D], actions [N, A] and next states [N, D]."
            ) from error


def robot_termination(robot: str) -> Termination:
    """The rule of a robot.

    Raises:
        UnknownNameError: no rule is known for it.
    """
    if robot not in TERMINATIONS:
        raise UnknownNameError("robot", robot, TERMINATIONS)
    return TERMINATIONS[robot]


def bounded(rule: Rule, limit: float) -> Rule:
    """The rule, and an end wherever an entry of the next state is not below `limit` in magnitude.

    Source: OfflineRL-Kit, whose model paths end so at 100 on halfcheetah, hopper and walker2d.
    """

    def rule_or_bound(state: States, action: States, next_state: States) -> Flags:
        return rule(state, action, next_state) | ~(abs(next_state) < limit).all(-1)

    return rule_or_bound


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


LEAST_SIZES: Mapping[str, int] = MappingProxyType(
    {
        "halfcheetah": 17,
        "hopper": 11,
        "walker2d": 17,
        "ant": 27,
        "humanoid": 45,
        "pen": 45,
        "door": 39,
        "hammer": 46,
        "relocate": 39,
        "hiv": 6,
    }
)
"""Numbers that a robot observes at least, in any version of its environment, in D4RL or Gymnasium."""

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
