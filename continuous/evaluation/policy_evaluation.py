"""The evaluation of one seed's policy as it is now, to be made here or in another process; nothing imports PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ampl.interfaces import Actor, Metrics
from continuous.evaluation.evaluator import Evaluation, Evaluator


@dataclass(frozen=True, kw_only=True)
class PolicyEvaluation:
    """An `ampl.interfaces.Evaluation`; it can be pickled if `evaluator` and `score` can.

    Attributes:
        evaluator: gives an evaluator of the task.
        score: from an evaluation to metrics.
        policy: a copy.
        seed: whose.
        stream: name of the random streams.
        sound: whether all parameters are finite; otherwise every metric is NaN.
        certificates: metrics that were measured from the same starts.
    """

    evaluator: Callable[[], Evaluator]
    score: Callable[[Evaluation], Metrics]
    policy: Actor
    seed: int
    stream: str
    sound: bool = True
    certificates: Mapping[str, float] = field(default_factory=dict)

    def __call__(self) -> Metrics:
        """Runs the episodes."""
        (found,) = self.evaluator().evaluate([self.policy], [self.seed], self.stream)
        row = {**self.score(found), **self.certificates}
        return row if self.sound else dict.fromkeys(row, math.nan)
