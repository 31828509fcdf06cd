"""What a batched simulator must know of a robot: its MuJoCo model, where episodes start, and its task in numpy.

A robot is stateless: everything that differs between episodes is in the arrays it is given. Letters: n episodes,
D observation size, A action size, nq and nv positions and velocities of the model, R readings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """n simulator states, and what MuJoCo derived on the way to them."""

    position: Floats  # qpos, [n, nq]
    velocity: Floats  # qvel, [n, nv]
    readings: Floats  # what the robot's `read` took from MuJoCo's data, [n, R]
    placement: Floats  # what the robot's `place` puts into the model, constant in an episode, [n, P]


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where one episode starts."""

    position: Floats  # qpos, [nq]
    velocity: Floats  # qvel, [nv]
    placement: Floats = field(default_factory=lambda: np.zeros(0))  # parts of the model that vary with the episode, [P]


class Robot(ABC):
    """A robot and its task, as D4RL's environment defines them.

    Attributes:
        model: the compiled MuJoCo model.
        frame_skip: simulator steps for each action.
        episode_limit: actions until an episode is cut.
        observation_size: D.
        action_size: A; actions lie in [-1, 1].
        readings_size: R.
    """

    model: Any
    frame_skip: int
    episode_limit: int
    observation_size: int
    action_size: int
    readings_size: int = 0

    @property
    def step_seconds(self) -> float:
        """Simulated seconds for each action."""
        return float(self.model.opt.timestep) * self.frame_skip

    @abstractmethod
    def start(self, generator: np.random.Generator) -> Start:
        """Draws the start of an episode, in the order in which Gymnasium's environment draws it."""

    @abstractmethod
    def observe(self, snapshot: Snapshot) -> Floats:
        """Observations, [n, D]."""

    @abstractmethod
    def reward(self, before: Snapshot, after: Snapshot, actions: Floats) -> Floats:
        """Rewards of the steps from `before` to `after` under clipped actions [n, A]: [n]."""

    @abstractmethod
    def terminated(self, snapshot: Snapshot) -> Flags:
        """Which states end their episode, [n]."""

    def state_of(self, observations: Floats) -> tuple[Floats, Floats]:
        """The state that observations [n, D] show: new arrays of positions [n, nq] and velocities [n, nv].

        What no observation shows, and no later one depends on, is 0.

        Raises:
            InvalidArgumentError: the observations leave out more than that.
        """
        raise InvalidArgumentError(
            f"{type(self).__name__}'s observations leave out parts of the simulator's state, so it cannot tell the "
            "true next state; expected hopper, walker2d, halfcheetah, ant or maze2d. Use another penalty here."
        )

    def control(self, actions: Floats) -> Floats:
        """Actuator inputs [n, nu] for clipped actions [n, A]."""
        return actions

    def prepare(self, position: Floats, velocity: Floats) -> None:  # noqa: B027  (a hook)
        """Changes states in place before each step (the maze clips its velocities)."""

    def place(self, model: Any, placement: Floats) -> None:  # noqa: B027  (a hook)
        """Puts the placement of one episode, [P], into a model."""

    def read(self, data: Any, readings: Floats) -> None:  # noqa: B027  (a hook)
        """Copies what `observe` and `reward` need from MuJoCo's data into `readings`, [R]."""
