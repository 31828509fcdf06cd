"""A policy of a finite MDP taken out of a run: it draws an action at each state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidArgumentError
from tabular.exact.dataset import draw_rows
from tabular.types import Integers, Policy


@dataclass(frozen=True)
class DrawnAction:
    """An `ampl.interfaces.Actor`.

    Attributes:
        policy: [S, A]. States have the environment's own numbers; one more is where episodes have ended.
    """

    policy: Policy

    def __call__(self, states: Integers, generator: np.random.Generator) -> Integers:
        """One action drawn for each state, [E] to [E].  Raises InvalidArgumentError for a state that is not there."""
        outside = states[(states < 0) | (states >= len(self.policy))]
        if len(outside):
            raise InvalidArgumentError(f"state {outside[0]} is not there; expected 0 to {len(self.policy) - 1}.")
        return draw_rows(self.policy, states, generator)
