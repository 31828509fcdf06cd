"""What the four Adroit tasks share: a position-controlled hand, and placements that vary with the episode."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from continuous.environments.adroit.models import make_raw_environment
from continuous.environments.robot import Flags, Floats, Robot, Snapshot, Start
from continuous.tasks import termination
from continuous.tasks.find import find_task

OBJECT_JOINTS = 6  # pen, hammer and ball hang on six joints, the last ones


class Adroit(Robot):
    """What the four tasks share: position control of the hand, and a start in the model's default pose.

    Attributes:
        bodies, sites: names of what `read` copies, three coordinates each, bodies first.
        placement_parts: D4RL's names of the parts of a placement, with their sizes.
    """

    frame_skip = 5
    bodies: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    placement_parts: Mapping[str, int]

    def __init__(self, name: str) -> None:
        environment = make_raw_environment(name)
        self.model = environment.model
        self._position, self._velocity = environment.init_qpos.copy(), environment.init_qvel.copy()
        environment.close()
        self.episode_limit = find_task(f"{name}-expert-v1").episode_limit
        self.action_size = self.model.nu
        low, high = self.model.actuator_ctrlrange.T
        self._control_middle, self._control_reach = (low + high) / 2.0, (high - low) / 2.0
        self._bodies = [self.model.body(body).id for body in self.bodies]
        self._sites = [self.model.site(site).id for site in self.sites]
        self.readings_size = 3 * (len(self._bodies) + len(self._sites))

    def control(self, actions: Floats) -> Floats:
        """Actions scaled to the range of each actuator."""
        return self._control_middle + actions * self._control_reach

    def start(self, generator: np.random.Generator) -> Start:
        """The default pose, somewhere."""
        return Start(position=self._position, velocity=self._velocity, placement=self.draw_placement(generator))

    @abstractmethod
    def draw_placement(self, generator: np.random.Generator) -> Floats:
        """Where the parts that vary with the episode go, [P]."""

    def read(self, data: Any, readings: Floats) -> None:
        """Positions of bodies and sites."""
        split = 3 * len(self._bodies)
        readings[:split] = data.xpos[self._bodies].ravel()
        readings[split : self.readings_size] = data.site_xpos[self._sites].ravel()

    def terminated(self, snapshot: Snapshot) -> Flags:
        """Never, but for the pen."""
        return np.asarray(termination.never(snapshot.position))

    def infos(self, snapshot: Snapshot) -> dict[str, NDArray[Any]]:
        """What D4RL stores of a simulator state, each [n, .]: enough to start an episode from it."""
        ends = np.cumsum(list(self.placement_parts.values()))[:-1]
        parts = np.split(snapshot.placement, ends, axis=1)
        return {"qpos": snapshot.position, "qvel": snapshot.velocity} | dict(
            zip(self.placement_parts, parts, strict=True)
        )


def points(readings: Floats) -> list[Floats]:
    """Readings [..., 3 k] as k points [..., 3]."""
    return [readings[..., first : first + 3] for first in range(0, readings.shape[-1], 3)]
