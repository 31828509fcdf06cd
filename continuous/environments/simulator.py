"""What evaluation asks of a simulator: many episodes of one task, moved together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from continuous.environments.robot import Flags, Floats


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one action of every episode led to."""

    observations: Floats  # [n, D]; of a finished episode: its last
    rewards: Floats  # [n]; of a finished episode: 0
    terminated: Flags  # [n]: this very step led to a terminal state


class Simulator(Protocol):
    """n episodes side by side; `reset` starts them, `step` moves those that have not ended."""

    @property
    def action_size(self) -> int:
        """A; actions lie in [-1, 1]."""

    @property
    def episode_limit(self) -> int:
        """Actions until an episode is cut."""

    @property
    def running(self) -> Flags:
        """Which episodes have not terminated, [n]."""

    def reset(self, generators: Sequence[np.random.Generator]) -> Floats:
        """Starts one episode for each generator; first observations, [n, D]."""

    def step(self, actions: Floats) -> Step:
        """Moves every episode that has not terminated by one action, [n, A].

        Raises:
            InvalidShapeError: another shape.
            InvalidArgumentError: an action that is not finite.
        """

    def close(self) -> None:
        """Ends its threads."""
