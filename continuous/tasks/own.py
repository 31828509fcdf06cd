"""Data of the user's own: actions, which algorithms see in [-1, 1] as on every task, and functions by their names."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from gymnasium.vector.utils import CloudpickleWrapper
from numpy.typing import NDArray

from ampl.error_places import located_words
from ampl.errors import InvalidArgumentError
from ampl.interfaces import Actor, Array
from continuous.tasks.registry import Own

_OUTSIDE = 2.0  # of [-1, 1]
_ROUNDING = 1e-6  # of an action with equal bounds: float32's


def center_and_half_width(own: Own) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The action that is 0 to an algorithm, and how far actions reach from it, [A] each, in the environment's units."""
    low, high = np.array(own.action_low), np.array(own.action_high)
    return (high + low) / 2.0, (high - low) / 2.0


def scaled(own: Own, actions: NDArray[Any]) -> NDArray[np.float64]:
    """From the environment's units to [-1, 1], [..., A].

    An action with equal bounds becomes 0, and one outside of [-1, 1] where it is another.
    """
    center, half_width = center_and_half_width(own)
    away = actions.astype(np.float64) - center
    held = np.where(np.abs(away) <= _ROUNDING * np.maximum(np.abs(center), 1.0), 0.0, np.copysign(_OUTSIDE, away))
    return np.divide(away, half_width, out=held, where=half_width > 0.0)


def unscaled(own: Own, actions: NDArray[Any]) -> NDArray[Any]:
    """From [-1, 1] to the environment's units, [..., A]; what lies beyond them by rounding is put on the bound."""
    center, half_width = center_and_half_width(own)
    return np.clip(center + half_width * actions, own.action_low, own.action_high).astype(actions.dtype)


@dataclass(frozen=True, kw_only=True)
class InUnits:
    """A policy whose actions are in the environment's units; an `ampl.interfaces.Actor`."""

    actor: Actor
    own: Own

    def __call__(self, observations: Array, generator: np.random.Generator) -> Array:
        """[E, D] to [E, A]."""
        return self._in_units(self.actor(observations, generator))

    def draw(self, observations: Array, generator: np.random.Generator) -> Array:
        """The same for actions as training draws them."""
        return self._in_units(getattr(self.actor, "draw", self.actor)(observations, generator))

    def _in_units(self, actions: Array) -> Array:
        return unscaled(self.own, np.clip(actions, -1.0, 1.0))


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
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        raise InvalidArgumentError(
            f"{what} is {text}, which cannot be had ({located_words(error)}); expected MODULE:FUNCTION with a "
            "module that Python finds from the current folder."
        ) from error
    if not callable(found):
        raise InvalidArgumentError(f"{what} is {text}, which is a {type(found).__name__}; expected a function.")
    return found


class Portable(CloudpickleWrapper):
    """A function of the user's that other processes can be sent, wherever it is defined."""

    def __call__(self, *arguments: Any) -> Any:
        """What the function gives."""
        function: Callable[..., Any] = self.fn
        return function(*arguments)


def name_of(function: Callable[..., Any]) -> str:
    """A function as MODULE:FUNCTION, for the records."""
    kind = type(function)
    return f"{getattr(function, '__module__', kind.__module__)}:{getattr(function, '__qualname__', kind.__qualname__)}"
