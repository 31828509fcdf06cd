"""What an algorithm is told of its task and of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ampl.arithmetic import DEFAULT, Arithmetic
from ampl.interfaces import Metrics
from continuous.evaluation.evaluator import Evaluator
from continuous.tasks.termination import Termination


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What an algorithm is told of its task and machine.

    Attributes:
        termination: the task's rule.
        evaluator: gives an evaluator of the task in any process, for a number of episodes and a discount.
        score: from an evaluation to metrics, likewise.
        episode_limit: most steps of an episode, >= 1.
        description: what the data is, for config.json.
        dataset_sha256: of the data's file.
        arithmetic: threads and precision.
        notes: for the user.
    """

    termination: Termination
    evaluator: Callable[[int, float], Evaluator]
    score: Callable[[Any], Metrics]
    episode_limit: int
    description: Mapping[str, Any]
    dataset_sha256: str | None = None
    arithmetic: Arithmetic = DEFAULT
    notes: Sequence[str] = ()
