"""The deep wing's problems as `ampl train` sees them: D4RL's and MOPO's tasks, linear-Gaussian ones, and one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ampl.interfaces import Actor, ProblemKind
    from ampl.own_data import GivenData
    from continuous.tasks.registry import Task


class ContinuousProblems:
    """Every task of D4RL, and those of MOPO's own; an `ampl.interfaces.ProblemSource`."""

    kind: ProblemKind = "continuous"

    def names(self) -> Sequence[str]:
        """As `ampl data list` shows them, and the linear-Gaussian problems, which have no file."""
        from continuous.tasks.find import LINEAR_GAUSSIAN_NAMES
        from continuous.tasks.registry import TASKS

        return [*TASKS, *LINEAR_GAUSSIAN_NAMES]

    def finds(self, name: str) -> bool:
        """Linear-Gaussian problems of any size; `load` says what is wrong with a name."""
        from continuous.tasks.find import LINEAR_GAUSSIAN_PREFIX

        return name.startswith(LINEAR_GAUSSIAN_PREFIX)

    def load(self, name: str) -> Task:
        """The task; its dataset is read when an algorithm is built on it."""
        from continuous.tasks.find import find_task

        return find_task(name)

    def opens(self, data: str) -> bool:
        """All but finite MDPs, of which an .npz file is one."""
        return not data.endswith(".npz")

    def open_data(self, given: GivenData, name: str) -> tuple[Task, Mapping[str, Any]]:
        """A task on data of the user's own; an `ampl.interfaces.OpensData`."""
        from continuous.data.own_problem import open_own, record

        task = open_own(given, name)
        return task, record(task)

    def recall(self, record: Mapping[str, Any], name: str) -> Task:
        """The task that `open_data` recorded."""
        from continuous.data.own_problem import recall

        return recall(record, name)

    def in_units(self, problem: Task, actor: Actor) -> Actor:
        """A policy on such a task with actions in the environment's units."""
        from continuous.tasks.own import InUnits

        assert problem.own is not None
        return InUnits(actor=actor, own=problem.own)


PROBLEMS = ContinuousProblems()
