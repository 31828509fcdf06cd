"""The deep wing as `ampl train` sees it: D4RL's and MOPO's tasks, deep AMPL, MOPO and DAMO with their variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ampl.errors import InvalidArgumentError
from continuous.algorithms.variants import VARIANTS

if TYPE_CHECKING:
    from ampl.arithmetic import Arithmetic
    from ampl.interfaces import Actor, Algorithm, ProblemKind, State, Wing
    from ampl.scale import Scale


class ContinuousWing:
    """D4RL's and MOPO's tasks, and AMPL, MOPO and DAMO with deep components; an `ampl.interfaces.Wing`."""

    kind: ProblemKind = "continuous"

    def tasks(self) -> Sequence[str]:
        """Every task of D4RL, and those of MOPO's own."""
        from continuous.tasks.registry import TASKS

        return list(TASKS)

    def algorithms(self) -> Mapping[str, Mapping[str, str]]:
        """The three papers', each with its ablations."""
        return VARIANTS

    def default_epochs(self, algorithm: str, task: str, variant: str) -> int:
        """As the variant's own settings say: a thousand; three thousand for DAMO and for MOPO as in OfflineRL-Kit."""
        return self.settings(algorithm, task, variant).schedule.epochs

    def settings(self, algorithm: str, task: str, variant: str) -> Any:
        """The published settings: an `AMPLConfig`, a `MOPOConfig` or a `DAMOConfig`."""
        from continuous.algorithms.build import CONFIGS
        from continuous.tasks.registry import find_task

        return CONFIGS[algorithm].published_config(find_task(task), variant)

    def build(
        self,
        algorithm: str,
        task: str,
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

        return build(algorithm, task, variant, seeds, choose_device(device), scale, arithmetic)

    def saved_policy(
        self, algorithm: str, task: str, settings: Mapping[str, Any], state: State
    ) -> tuple[tuple[int, ...], Actor]:
        """On observations of the task; an `ampl.interfaces.GivesPolicies`."""
        from continuous.algorithms.saved_policy import saved_policy
        from continuous.tasks.registry import find_task

        found = find_task(task)
        return (found.observation_size,), saved_policy(algorithm, found, settings, state)


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


WING: Wing = ContinuousWing()
