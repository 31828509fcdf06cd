"""What a model-based algorithm is told of its task and of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ampl.arithmetic import DEFAULT, Arithmetic
from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Evaluation, State


class Measured(Protocol):
    """What tells how good an algorithm's policies are: `continuous.algorithms.evaluation.TaskEvaluation`."""

    def evaluations(self, algorithm: Any, request: EvaluationRequest) -> Sequence[Evaluation]:
        """See `ampl.interfaces.Algorithm`."""

    def samples(self, algorithm: Any) -> Sequence[State]:
        """See `ampl.interfaces.Sampled`."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Task and machine, as far as an algorithm must know them.

    Attributes:
        termination: the task's rule, from states [..., D] to [...] of bool.
        evaluation: what measures the algorithm; None: it is only trained.
        description: what the data is, for config.json.
        dataset_sha256: of the data's file.
        arithmetic: threads and precision.
        notes: for the user.
    """

    termination: Callable[[Tensor], Tensor]
    evaluation: Measured | None = None
    description: Mapping[str, Any]
    dataset_sha256: str | None = None
    arithmetic: Arithmetic = DEFAULT
    notes: Sequence[str] = ()
