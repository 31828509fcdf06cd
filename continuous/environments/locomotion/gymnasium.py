"""The four robots as Gymnasium environments with D4RL's dynamics, rewards and action range.

Four things set them apart from a plain `gymnasium.make`:

* "-v4" ids. v5 withholds the healthy reward on the step that falls, gives Walker2d's right foot another friction and
  Ant other observations.
* Contact margins. Up to MuJoCo 3.4 a contact's margin is the larger of the two geoms' margins, from 3.5 on their sum.
  Halving the geoms' margins after loading restores the old dynamics wherever all margins are equal, which holds for
  Hopper (0.001 m) and Ant (0.01 m). HalfCheetah and Walker2d have none.
* Ant's contact forces are zero, and cost nothing. D4RL's MuJoCo 2.0 computes them on request only, and Gym did not ask:
  the last 84 columns of its ant-medium-v2 are zero (github.com/Farama-Foundation/D4RL/issues/143).
* Actions are clipped to [-1, 1] before the simulator and the control cost see them, as D4RL's wrapper does.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import gymnasium
import mujoco
import numpy as np

from ampl.errors import UnknownNameError

logger = logging.getLogger(__name__)

_SUMMED_MARGINS = (3, 5)  # first MuJoCo release that adds the two margins


CONTACT_FORCES = 84  # columns at the end of Ant's observations

ROBOTS: Mapping[str, str] = MappingProxyType(
    {"hopper": "Hopper-v4", "halfcheetah": "HalfCheetah-v4", "walker2d": "Walker2d-v4", "ant": "Ant-v4"}
)


def make_environment(robot: str, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    """The environment of a robot, cut at 1000 steps.

    Args:
        robot: "hopper", "halfcheetah", "walker2d" or "ant".
        render_mode: as in Gymnasium.

    Raises:
        UnknownNameError: another robot.
    """
    if robot not in ROBOTS:
        raise UnknownNameError("robot", robot, ROBOTS)
    with _without_expected_warnings():
        environment = gymnasium.make(ROBOTS[robot], render_mode=render_mode, disable_env_checker=True)
    restore_margins(environment.unwrapped.model)  # type: ignore[attr-defined]
    return ClippedActions(_WithoutForces(environment) if robot == "ant" else environment)


def restore_margins(model: Any, version: str = mujoco.__version__) -> None:
    """Gives the contacts of a freshly loaded model the margins they had up to MuJoCo 3.4.

    Args:
        model: its geoms' margins are halved in place where MuJoCo adds them.
        version: of MuJoCo.
    """
    if tuple(int(part) for part in version.split(".")[:2]) >= _SUMMED_MARGINS:
        model.geom_margin[:] *= 0.5


class _WithoutForces(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Ends Ant's observations with the zeros that D4RL's have in place of contact forces."""

    def __init__(self, environment: gymnasium.Env[Any, Any]) -> None:
        super().__init__(environment)
        size = (environment.observation_space.shape or (0,))[0] + CONTACT_FORCES
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)

    def observation(self, observation: Any) -> Any:
        """Positions, velocities, zeros."""
        return np.pad(observation, (0, CONTACT_FORCES))


class ClippedActions(gymnasium.ActionWrapper[Any, Any, Any]):
    """Clips actions to [-1, 1]; the action space stays that box."""

    def action(self, action: Any) -> Any:
        """The nearest action inside the box."""
        return np.clip(action, -1.0, 1.0)


@contextmanager
def _without_expected_warnings() -> Iterator[None]:
    """Hides that -v4 is not the newest, which is why it is used here, and that HalfCheetah's XML is old-fashioned."""

    def pass_on(message: str) -> None:
        if "settotalmass" not in message:
            logger.warning("MuJoCo: %s", message)

    mujoco.set_mju_user_warning(pass_on)  # MuJoCo's own handler would also write a file to the current folder
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is out of date.*", category=DeprecationWarning)
            yield
    finally:
        mujoco.set_mju_user_warning(None)
