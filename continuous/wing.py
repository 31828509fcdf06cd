"""The deep wing as `ampl train` sees it: D4RL's and MOPO's tasks, deep AMPL, MOPO and DAMO with their variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ampl.errors import InvalidArgumentError
from continuous.algorithms.variants import VARIANTS

if TYPE_CHECKING:
    from ampl.arithmetic import Arithmetic
    from ampl.interfaces import Actor, Algorithm, ProblemKind, State
    from ampl.own_data import GivenData
    from ampl.scale import Scale
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


class DeepFactory:
    """An algorithm with deep components; an `ampl.interfaces.AlgorithmFactory`.

    Args:
        name: "ampl", "mopo" or "damo".
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.variants: Mapping[str, str] = VARIANTS[name]

    def default_epochs(self, problem: Task, variant: str) -> int:
        """As the variant's own settings say: a thousand; three thousand for DAMO and for MOPO as in OfflineRL-Kit."""
        return self.settings(problem, variant).schedule.epochs

    def settings(self, problem: Task, variant: str) -> Any:
        """The published settings: an `AMPLConfig`, a `MOPOConfig` or a `DAMOConfig`."""
        from continuous.algorithms.build import CONFIGS

        return CONFIGS[self.name].published_config(problem, variant)

    def build(
        self,
        problem: Task,
        variant: str,
        seeds: Sequence[int],
        device: str,
        scale: Scale,
        arithmetic: Arithmetic,
    ) -> Algorithm:
        """The algorithm on a task's dataset, which must be in D4RL's cache folder.

        Raises:
            InvalidArgumentError: device "cuda" without a usable GPU, or a scale that the schedule cannot take.
            InvalidFileError: the dataset is not there, or damaged; the message says how to get it.
        """
        from continuous.algorithms.build import build

        return build(self.name, problem, variant, seeds, choose_device(device), scale, arithmetic)

    def saved_policy(self, problem: Task, settings: Mapping[str, Any], state: State) -> tuple[tuple[int, ...], Actor]:
        """On observations of the task; an `ampl.interfaces.GivesPolicies`."""
        from continuous.algorithms.saved_policy import saved_policy

        return (problem.observation_size,), saved_policy(self.name, problem, settings, state)

    def policy_module(self, problem: Task, actor: Actor) -> Any:
        """As a `torch.nn.Module`; an `ampl.interfaces.GivesModules`."""
        from continuous.networks.modules import ScaledModule, as_module

        made = as_module(actor)
        if made is None or problem.own is None:
            return made
        return ScaledModule(made, problem.own.action_low, problem.own.action_high).eval()

    def film(self, problem: Task, actor: Actor, path: Path, seed: int) -> float:
        """One episode as a video; an `ampl.interfaces.FilmsPolicies`."""
        from continuous.evaluation.video import film

        return film(problem, actor, path, seed)


def choose_device(device: str) -> str:
    """The device "cpu" or "cuda" from "auto", "cpu" or "cuda".

    Raises:
        InvalidArgumentError: "cuda" where PyTorch finds no GPU.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidArgumentError("--device is cuda, but PyTorch finds no usable GPU here. Use --device cpu.")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


PROBLEMS = ContinuousProblems()
ALGORITHMS = {name: DeepFactory(name) for name in VARIANTS}
AMPL, MOPO, DAMO = (ALGORITHMS[name] for name in ("ampl", "mopo", "damo"))
