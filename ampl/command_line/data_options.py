"""The options of commands that take data of the user's own in place of a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

TaskOrData = Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[TASK]")]


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What to train on: a task by its name, or data of the user's own."""

    data: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Data of your own in place of TASK: an HDF5 file in D4RL's layout, minari:ID, or a finite MDP in an .npz file."""
    env: Annotated[str | None, tyro.conf.arg(metavar="ENV_ID")] = None
    """Where the data were collected, and policies are evaluated: a Gymnasium environment, MODULE:FUNCTION that makes
    one, or none; that of a Minari dataset if not given (with --data, like the next two)."""
    termination: Annotated[str | None, tyro.conf.arg(metavar="RULE")] = None
    """When paths of the model end: never, a robot such as hopper, or MODULE:FUNCTION, which gets states, actions and
    next states and gives flags (docs/data.md); the rule of Gymnasium's robots if not given."""
    references: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="LOW HIGH")] = None
    """Returns that score 0 and 100; the dataset's if not given, and without them results are raw returns."""

    @property
    def own(self) -> dict[str, Any]:
        """The options, as arguments of `ampl.train` and `ampl.load_problem`."""
        return {
            "data": self.data,
            "env": self.env,
            "termination": self.termination,
            "references": self.references,
        }
