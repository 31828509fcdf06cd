"""The point maze in batched numpy: one start, one reward and one model with `continuous.environments.maze2d`."""

from __future__ import annotations

import numpy as np

from continuous.environments.maze2d.layouts import find_layout
from continuous.environments.maze2d.point_mass import SPEED_LIMIT, draw_start, make_model
from continuous.environments.maze2d.rewards import Reward
from continuous.environments.robot import Flags, Floats, Robot, Snapshot, Start
from continuous.tasks import termination


class Maze2D(Robot):
    """A ball that is paid for being near the goal; never done.

    Args:
        layout: name of the map: "umaze", "medium", "large", ...
        reward: "sparse" or "dense".
    """

    frame_skip = 1
    observation_size = 4
    action_size = 2

    def __init__(self, layout: str, reward: str) -> None:
        self._layout = find_layout(layout)
        self._reward = Reward(reward)
        self.model = make_model(self._layout)
        self.episode_limit = self._layout.episode_limit

    def start(self, generator: np.random.Generator) -> Start:
        """Near a uniform free cell, slowly."""
        state = draw_start(self._layout, generator)
        return Start(position=state[:2], velocity=state[2:])

    def prepare(self, position: Floats, velocity: Floats) -> None:
        """Cuts velocities down to the speed limit."""
        np.clip(velocity, -SPEED_LIMIT, SPEED_LIMIT, out=velocity)

    def observe(self, snapshot: Snapshot) -> Floats:
        """Position, then velocity."""
        return np.concatenate([snapshot.position, snapshot.velocity], axis=1)

    def state_of(self, observations: Floats) -> tuple[Floats, Floats]:
        """The observation itself; the goal moves nothing."""
        return observations[:, :2].copy(), observations[:, 2:].copy()

    def reward(self, before: Snapshot, after: Snapshot, actions: Floats) -> Floats:
        """Paid for the position after the step."""
        return self._reward.at(after.position, self._layout.goal)

    def terminated(self, snapshot: Snapshot) -> Flags:
        """Never."""
        return np.asarray(termination.never(snapshot.position))
