"""Data of one's own: what `ampl train --data` and `ampl.train(data=...)` are given, before anything of it is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ampl.errors import InvalidArgumentError

_LONGEST_NAME = 60  # characters, of a run's folder


@dataclass(frozen=True, kw_only=True)
class GivenData:
    """A dataset, the environment it was collected in, and what neither of them tells.

    Attributes:
        data: path of a file in D4RL's layout or of a finite MDP (.npz), or minari:ID.
        env: id of a Gymnasium environment, MODULE:FUNCTION that makes one, such a function itself, an environment, or
            "none"; None: the one that the dataset names.
        termination: when paths of the model end: "never", the name of a robot, or a function of states [N, D], actions
            [N, A] and next states [N, D] that gives [N] of bool, itself or as MODULE:FUNCTION; None: the rule that is
            known for the environment.
        references: the returns that score 0 and 100; None: those of the dataset, or no scores.

    Raises:
        InvalidArgumentError: references that are no two numbers, or not in order; a termination of another type.
    """

    data: str
    env: Any = None
    termination: str | Callable[..., Any] | None = None
    references: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without reading."""
        if not (self.termination is None or isinstance(self.termination, str) or callable(self.termination)):
            raise InvalidArgumentError(f"termination is {self.termination!r}; expected a name, or a function.")
        if self.references is not None:
            try:
                low, high = map(float, self.references)
            except (TypeError, ValueError):
                raise InvalidArgumentError(f"references are {self.references!r}; expected two numbers.") from None
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise InvalidArgumentError(
                    f"--references are {low:g} and {high:g}; expected the return that scores 0, then a larger one that "
                    "scores 100."
                )

    @property
    def name(self) -> str:
        """What runs on the data are called: the file's name, or the dataset's id, fit for a folder."""
        whole = self.data.removeprefix("minari:") if self.data.startswith("minari:") else Path(self.data).stem
        return re.sub(r"[^\w.-]+", "-", whole).strip("-.")[:_LONGEST_NAME] or "own"
