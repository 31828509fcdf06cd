"""Learners of several seeds as one `ampl.interfaces.Algorithm`: each method asks every seed in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Array, Evaluation, Metrics, State
from tabular.algorithms.offline_learner import OfflineLearner


class ExactAlgorithm:
    """An `ampl.interfaces.Algorithm` of the exact wing.

    Args:
        name: as on the command line.
        learners: one a seed.
        seeds: in the same order.
        config: every hyperparameter, with the discount.
        retrain_period: epochs between two weighted refits; None: never.
        notes: what readers of the results must know.
    """

    device = "cpu"
    arithmetic = None
    dataset_sha256 = None
    steps_per_epoch = 1
    evaluates_exactly = True

    def __init__(
        self,
        name: str,
        learners: Sequence[OfflineLearner],
        seeds: Sequence[int],
        config: Mapping[str, Any],
        retrain_period: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.seeds = tuple(seeds)
        self.retrain_period = retrain_period
        self._learners = list(learners)
        self._config = dict(config)
        self._notes = tuple(notes)

    def config(self) -> Mapping[str, Any]:
        """Every hyperparameter, with the discount and what the variant sets."""
        return self._config

    def notes(self) -> Sequence[str]:
        """What is not as usual; mostly nothing, for the exact wing is never scaled down."""
        return self._notes

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """(Weighted) maximum likelihood of each seed.  Source: AMPL, Eqs. 4 and 6."""
        given = [None] * len(self.seeds) if weights is None else weights
        return [learner.fit_model(rows) for learner, rows in zip(self._learners, given, strict=True)]

    def estimate_weights(self) -> Sequence[Array]:
        """One weight a transition, mean one.  Source: AMPL, Eq. 9."""
        return [learner.estimate_weights() for learner in self._learners]

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        """One epoch of each seed."""
        return [learner.improve_policy() for learner in self._learners]

    def evaluations(self, request: EvaluationRequest) -> Sequence[Evaluation]:
        """Exact returns and what bounds them; no episodes are run."""
        return [partial(dict, learner.evaluate()) for learner in self._learners]

    def state(self, index: int) -> State:
        """Of one seed."""
        return self._learners[index].state()

    def load_state(self, index: int, state: State) -> None:
        """Inverse of `state`."""
        self._learners[index].load_state(state)
