"""The deep wing as `ampl train` sees it: D4RL tasks, deep AMPL and its variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ampl.errors import InvalidArgumentError

if TYPE_CHECKING:
    from ampl.interfaces import Algorithm
    from ampl.scale import Scale

_VARIANTS = (
    "main",
    "nw",
    "vpm",
    "gendice",
    "dualdice",
    "wpr",
    "kl-dual-wpr",
    "kl-dual",
    "gaussian-policy",
    "no-regularizer",
    "no-rollouts",
    "reward-test-function",
    "value-discriminator",
    "multi-moment",
)


class ContinuousWing:
    """D4RL's tasks and AMPL with deep components; an `ampl.interfaces.Wing`."""

    def tasks(self) -> Sequence[str]:
        """Every D4RL task."""
        from continuous.tasks import TASKS

        return list(TASKS)

    def algorithms(self) -> Mapping[str, Sequence[str]]:
        """AMPL with its ablations; the last variant, with several test functions at once, is our own."""
        return {"ampl": _VARIANTS}

    def default_epochs(self, algorithm: str, task: str) -> int:
        """The published runs' thousand epochs of a thousand steps."""
        return 1000

    def build(
        self,
        algorithm: str,
        task: str,
        variant: str,
        seeds: Sequence[int],
        device: str,
        scale: Scale,
        threads: int | None,
    ) -> Algorithm:
        """AMPL on a task's dataset, which must be in D4RL's cache folder.

        Raises:
            InvalidArgumentError: device "cuda" without a usable GPU, or a scale that the schedule cannot take.
            InvalidFileError: the dataset is not there, or damaged; the message says how to get it.
        """
        from continuous.ampl_build import build_ampl

        return build_ampl(task, variant, seeds, choose_device(device), scale, threads)


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


WING = ContinuousWing()
