"""Every robot whose behavior can be trained, by the name that `ampl data train-behavior` takes.

hopper, halfcheetah, walker2d and ant are D4RL's. halfcheetah-jump and ant-angle are those that MOPO trained for its
out-of-distribution tasks: running that pays up to 3 m/s, and Ant without contact forces in its observations.

Ant's reward does not follow from states: it takes the torso from where MuJoCo last placed it, which is neither the
state before nor the one after. So its simulator keeps each step's velocity, and relabelling is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np

from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.out_of_distribution import JUMP, NAMES, TORSO_VELOCITY, make_training_robot
from continuous.environments.locomotion.robots import ROBOTS, Ant
from continuous.environments.robot import Floats, Robot, Start
from continuous.environments.simulator import Step
from continuous.recreate.online_sac.replay_file import Columns

_ANGLE = next(name for name in NAMES if name != JUMP)  # all angles share their data

BEHAVIOR_ROBOTS: Mapping[str, Callable[[], Robot]] = MappingProxyType(
    {
        **ROBOTS,
        "halfcheetah-jump": partial(make_training_robot, JUMP),
        "ant-angle": partial(make_training_robot, _ANGLE),
    }
)


class AntSimulator(BatchSimulator):
    """A batched Ant that keeps the torso's velocity in each step since the last start."""

    def __init__(self, robot: Ant, threads: int | None = None) -> None:
        super().__init__(robot, threads)
        self._ant = robot
        self._velocities: list[Floats] = []

    @property
    def torso_velocities(self) -> Floats:
        """Along x and y in m/s, [steps, n, 2]; rows of finished episodes are 0."""
        return np.stack(self._velocities)

    def begin(self, starts: Sequence[Start]) -> Floats:
        """As for all, and forgets earlier velocities."""
        self._velocities = []
        return super().begin(starts)

    def step(self, actions: Floats) -> Step:
        """As for all, and keeps the velocities."""
        before = self.snapshot
        step = super().step(actions)
        self._velocities.append(self._ant.torso_velocity(before, self.snapshot))
        return step


def make_simulator(robot: str) -> BatchSimulator:
    """One thread that simulates a robot of `BEHAVIOR_ROBOTS`."""
    made = BEHAVIOR_ROBOTS[robot]()
    return AntSimulator(made, threads=1) if isinstance(made, Ant) else BatchSimulator(made, threads=1)


def with_torso_velocity(episode: Columns, simulator: BatchSimulator) -> Columns:
    """The one episode that the simulator has run since its start, with Ant's velocities as one more column."""
    if not isinstance(simulator, AntSimulator):
        return episode
    return episode | {f"infos/{TORSO_VELOCITY}": simulator.torso_velocities[:, 0]}
