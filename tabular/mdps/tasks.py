"""The finite MDPs that algorithms are trained on, by the name the command line knows them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ampl.errors import UnknownNameError
from ampl.interfaces import ProblemKind
from ampl.randomness import stream
from tabular.mdps.environments import ENVIRONMENTS, environment_mdp
from tabular.mdps.generators import random_mdp
from tabular.mdps.grid_world import grid_world
from tabular.mdps.mdp import FiniteMDP

_DISCOUNT = 0.99


def _random(n_states: int, n_actions: int) -> Callable[[float], FiniteMDP]:
    """A random MDP with rewards in [0, 1] whose rows have few likely next states; always the same one."""

    def make(discount: float) -> FiniteMDP:
        generator = stream(0, f"task/random-{n_states}x{n_actions}")
        return random_mdp(n_states, n_actions, generator, discount=discount, concentration=0.1, nonnegative_reward=True)

    return make


def _grid(size: int) -> Callable[[float], FiniteMDP]:
    return lambda discount: grid_world((size, size), slip=0.2, discount=discount).to_dense()


_MADE: Mapping[str, Callable[[float], FiniteMDP]] = {
    "gridworld-5x5": _grid(5),
    "gridworld-10x10": _grid(10),
    "random-10x3": _random(10, 3),
    "random-50x4": _random(50, 4),
}

TASKS = (*ENVIRONMENTS, *_MADE)
"""Toy-text environments, slippery grid worlds, and two fixed random MDPs."""


def task_mdp(name: str, discount: float) -> FiniteMDP:
    """The MDP of a task, dense.

    Raises:
        UnknownNameError: with the nearest match.
    """
    if name in _MADE:
        return _MADE[name](discount)
    if name not in ENVIRONMENTS:
        raise UnknownNameError("task", name, TASKS)
    return environment_mdp(name, discount)


class FiniteProblems:
    """An `ampl.interfaces.ProblemSource` of `TASKS`."""

    kind: ProblemKind = "finite"

    def names(self) -> Sequence[str]:
        """Toy-text environments, grid worlds and random MDPs."""
        return TASKS

    def load(self, name: str) -> FiniteMDP:
        """The MDP of a task, dense."""
        return task_mdp(name, _DISCOUNT)


PROBLEMS = FiniteProblems()
