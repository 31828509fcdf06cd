"""The finite MDPs that algorithms are trained on: by the names that the command line knows, or of the user's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ampl.errors import InvalidArgumentError, InvalidFileError, UnknownNameError, missing_file
from ampl.files import file_sha256
from ampl.interfaces import Actor, ProblemKind
from ampl.own_data import GivenData
from ampl.randomness import stream
from tabular.mdps.environments import ENVIRONMENTS, environment_mdp
from tabular.mdps.generators import random_mdp
from tabular.mdps.grid_world import grid_world
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.mdp_files import load_mdp, load_mdp_with

logger = logging.getLogger(__name__)

_DISCOUNT = 0.99
_MOST_ENTRIES = 30_000_000  # of dense dynamics, 240 MB


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
    """An `ampl.interfaces.ProblemSource` of `TASKS`, and of MDPs in files."""

    kind: ProblemKind = "finite"

    def names(self) -> Sequence[str]:
        """Toy-text environments, grid worlds and random MDPs."""
        return TASKS

    def load(self, name: str) -> FiniteMDP:
        """The MDP of a task, dense."""
        return task_mdp(name, _DISCOUNT)

    def opens(self, data: str) -> bool:
        """Files as `tabular.mdps.mdp_files` has them."""
        return data.endswith(".npz")

    def open_data(self, given: GivenData, name: str) -> tuple[FiniteMDP, Mapping[str, Any]]:
        """The MDP in a file of the user's, dense; an `ampl.interfaces.OpensData`.

        Raises:
            InvalidArgumentError: an environment, a rule of termination or references, which an MDP has no use for.
            InvalidFileError: the file holds no MDP, or one with dense dynamics of more than `_MOST_ENTRIES` numbers.
        """
        said = {"env": given.env, "termination": given.termination, "references": given.references}
        if option := next((option for option, value in said.items() if value is not None), None):
            raise InvalidArgumentError(f"--{option} is given; {given.data} holds a finite MDP, which needs none.")
        path = Path(given.data)
        mdp, beside = load_mdp_with(path)
        if beside:
            logger.warning("%s: not used in training: %s", path, ", ".join(beside))
        entries = mdp.n_states * mdp.n_actions * mdp.n_states
        if entries > _MOST_ENTRIES:
            raise InvalidFileError(
                f"{path} has {mdp.n_states} states and {mdp.n_actions} actions; exact algorithms keep dense dynamics, "
                f"here {entries:,} numbers, and take at most {_MOST_ENTRIES:,}."
            )
        record = {
            "data": given.data,
            "file": path.name,
            "sha256": file_sha256(path),
            "states": mdp.n_states,
            "actions": mdp.n_actions,
            "discount": mdp.discount,
        }
        return mdp.to_dense(), record

    def recall(self, record: Mapping[str, Any], name: str) -> FiniteMDP:
        """The MDP that `open_data` recorded; its file must still be there, as it was.

        Raises:
            InvalidFileError: it is not.
        """
        path = Path(record["data"])
        if not path.is_file():
            raise missing_file(path, "It was the run's finite MDP. Say where it is now, by --data or data=.")
        if (found := file_sha256(path)) != record["sha256"]:
            raise InvalidFileError(
                f"{path} has changed since the run: its SHA-256 is {record['sha256']} there and {found} here. Put the "
                "original file back."
            )
        return load_mdp(path).to_dense()

    def in_units(self, problem: FiniteMDP, actor: Actor) -> Actor:
        """The policy itself: its actions are numbers of actions."""
        return actor


PROBLEMS = FiniteProblems()
