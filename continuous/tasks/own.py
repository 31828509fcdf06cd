"""What a task on data of the user's own has beside the facts of every task: files, bounds, rule, environment.

Algorithms see actions in [-1, 1], as on every task; here is the way to the environment's units and back.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError

MINARI = "minari:"  # before the id of a dataset


@dataclass(frozen=True, kw_only=True)
class Own:
    """Data of the user's own, and what is known of their environment.

    Units of actions are the environment's.
    """

    data: str  # path of a file, or minari:ID, as the user gave it
    source: str  # who made it, as far as is known
    sha256: str  # of the file
    rows: int
    environment: str | None  # what `continuous.environments.own.maker` makes it of; None: there is none
    action_low: tuple[float, ...]  # becomes -1
    action_high: tuple[float, ...]  # becomes 1
    bounds: str  # what has told them: "environment" or "data"
    termination: str  # "never", a robot, or MODULE:FUNCTION
    notes: tuple[str, ...] = ()  # for readers of the results
    make: Callable[[], Any] | None = field(default=None, repr=False)  # the environment, where no text makes it
    rule: Callable[..., Any] | None = field(default=None, repr=False)  # the function, where it was given as such

    @cached_property
    def center(self) -> NDArray[np.float64]:
        """The action that is 0 to the algorithm, [A]."""
        return (np.array(self.action_high) + np.array(self.action_low)) / 2.0

    @cached_property
    def half_width(self) -> NDArray[np.float64]:
        """How far actions reach from the center, [A]."""
        return (np.array(self.action_high) - np.array(self.action_low)) / 2.0

    def scaled(self, actions: NDArray[Any]) -> NDArray[np.float64]:
        """From the environment's units to [-1, 1], [..., A]."""
        return (actions.astype(np.float64) - self.center) / self.half_width

    def unscaled(self, actions: NDArray[Any]) -> NDArray[Any]:
        """From [-1, 1] to the environment's units, [..., A]; whatever lies beyond by rounding is put on the bound."""
        units = self.center + self.half_width * actions
        return np.clip(units, self.action_low, self.action_high).astype(actions.dtype)


def find_function(text: str, what: str) -> Callable[..., Any]:
    """The function that MODULE:FUNCTION names; modules of the current folder are found, too.

    Args:
        text: MODULE:FUNCTION.
        what: the option, for messages.

    Raises:
        InvalidArgumentError: there is none.
    """
    module, _, name = text.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # the last place, so that no file there hides a package
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever the user's module raises
        why = " ".join(str(error).split())[:200]
        raise InvalidArgumentError(
            f"{what} is {text}, which cannot be had ({type(error).__name__}: {why}); expected MODULE:FUNCTION with a "
            "module that Python finds from the current folder."
        ) from error
    if not callable(found):
        raise InvalidArgumentError(f"{what} is {text}, which is a {type(found).__name__}; expected a function.")
    return found


def name_of(function: Callable[..., Any]) -> str:
    """A function as MODULE:FUNCTION, for the records."""
    kind = type(function)
    return f"{getattr(function, '__module__', kind.__module__)}:{getattr(function, '__qualname__', kind.__qualname__)}"
