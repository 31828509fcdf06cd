"""Hopper, HalfCheetah, Walker2d and Ant as D4RL evaluates them: Gymnasium's "-v4" tasks, rewritten in batched numpy.

Actions are clipped to [-1, 1], as D4RL's wrapper does, also in the control cost. The models come from the project's
own environments, so that a correction made there (Hopper's and Ant's contact margins) holds here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from continuous.environments.locomotion.gymnasium import CONTACT_FORCES, make_environment
from continuous.environments.robot import Flags, Floats, Robot, Snapshot, Start
from continuous.tasks import termination
from continuous.tasks.find import find_task


class Locomotion(Robot):
    """What the four robots share: a start near the default pose, and a reward for going forward."""

    frame_skip = 5
    control_cost = 0.0  # reward units per squared unit of action
    healthy_reward = 1.0  # paid on every step, also on the one that falls
    hidden_positions = 1  # leading positions that observations leave out: x, or x and y
    start_noise = 0.1  # half-width of the start positions; also the scale of the start velocities
    gaussian_start = True  # start velocities are normal, otherwise uniform
    velocity_bound = np.inf  # observations clip velocities there

    def __init__(self, name: str) -> None:
        self.episode_limit = find_task(f"{name}-medium-v2").episode_limit
        environment = make_environment(name)
        unwrapped: Any = environment.unwrapped
        self.model = unwrapped.model
        self._position, self._velocity = unwrapped.init_qpos.copy(), unwrapped.init_qvel.copy()
        self.observation_size = self.model.nq - self.hidden_positions + self.model.nv
        self.action_size = self.model.nu
        environment.close()

    def start(self, generator: np.random.Generator) -> Start:
        """Default pose plus uniform noise; velocities normal or uniform."""
        noise, model = self.start_noise, self.model
        position = self._position + generator.uniform(-noise, noise, size=model.nq)
        if self.gaussian_start:
            velocity = self._velocity + noise * generator.standard_normal(model.nv)
        else:
            velocity = self._velocity + generator.uniform(-noise, noise, size=model.nv)
        return Start(position=position, velocity=velocity)

    def observe(self, snapshot: Snapshot) -> Floats:
        """Positions without the leading ones, then velocities, clipped."""
        bound = self.velocity_bound
        velocity = np.clip(snapshot.velocity, -bound, bound)
        return np.concatenate([snapshot.position[:, self.hidden_positions :], velocity], axis=1)

    def state_of(self, observations: Floats) -> tuple[Floats, Floats]:
        """At the origin of the plane, which looks alike everywhere; clipped velocities stay clipped."""
        shown, model = self.model.nq - self.hidden_positions, self.model
        position = np.zeros((len(observations), model.nq))
        position[:, self.hidden_positions :] = observations[:, :shown]
        return position, observations[:, shown : shown + model.nv].copy()

    def reward(self, before: Snapshot, after: Snapshot, actions: Floats) -> Floats:
        """Forward velocity, plus the reward for health, minus the control cost."""
        return self.healthy_reward + self.forward(before, after) - self.control_cost * np.square(actions).sum(axis=1)

    def forward(self, before: Snapshot, after: Snapshot) -> Floats:
        """Mean velocity along x during the step, in m/s."""
        return (after.position[:, 0] - before.position[:, 0]) / self.step_seconds


class HalfCheetah(Locomotion):
    """Runs; never falls."""

    control_cost = 0.1
    healthy_reward = 0.0

    def __init__(self) -> None:
        super().__init__("halfcheetah")

    def terminated(self, snapshot: Snapshot) -> Flags:
        """Never."""
        return np.asarray(termination.never(snapshot.position))


class PlanarWalker(Locomotion):
    """What the two robots on feet share: a plane to fall in, short steps, and a gentle start."""

    frame_skip = 4
    control_cost = 1e-3
    start_noise = 5e-3
    gaussian_start = False
    velocity_bound = 10.0


class Hopper(PlanarWalker):
    """Hops on one leg; falls."""

    def __init__(self) -> None:
        super().__init__("hopper")

    def terminated(self, snapshot: Snapshot) -> Flags:
        """The rule of `termination.hopper`, on velocities that are not clipped."""
        return np.asarray(termination.hopper(np.concatenate([snapshot.position[:, 1:], snapshot.velocity], axis=1)))


class Walker2d(PlanarWalker):
    """Walks on two legs; falls."""

    def __init__(self) -> None:
        super().__init__("walker2d")

    def terminated(self, snapshot: Snapshot) -> Flags:
        """The rule of `termination.walker2d`."""
        return np.asarray(termination.walker2d(snapshot.position[:, 1:]))


class Ant(Locomotion):
    """Four legs. D4RL's observations end with 84 contact forces, which are always zero (see `gymnasium.py`)."""

    control_cost = 0.5
    hidden_positions = 2
    readings_size = 2
    torso = 1  # index of the body

    def __init__(self) -> None:
        super().__init__("ant")
        self.observation_size += CONTACT_FORCES

    def read(self, data: Any, readings: Floats) -> None:
        """The torso's x and y."""
        readings[:] = data.xpos[self.torso, :2]

    def observe(self, snapshot: Snapshot) -> Floats:
        """Positions, velocities, and zeros."""
        return np.pad(super().observe(snapshot), ((0, 0), (0, CONTACT_FORCES)))

    def forward(self, before: Snapshot, after: Snapshot) -> Floats:
        """Mean velocity along x of the torso as MuJoCo last placed it, one substep behind the state, in m/s."""
        return self.torso_velocity(before, after)[:, 0]

    def torso_velocity(self, before: Snapshot, after: Snapshot) -> Floats:
        """Mean velocity along x and y, [n, 2], in m/s."""
        return (after.readings - before.readings) / self.step_seconds

    def terminated(self, snapshot: Snapshot) -> Flags:
        """The rule of `termination.ant`."""
        return np.asarray(termination.ant(np.concatenate([snapshot.position[:, 2:], snapshot.velocity], axis=1)))


ROBOTS: Mapping[str, type[Any]] = {"hopper": Hopper, "halfcheetah": HalfCheetah, "walker2d": Walker2d, "ant": Ant}
