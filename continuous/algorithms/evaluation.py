"""How an algorithm is evaluated: episodes in its task, certificates from the same starts, samples of visits.

Nothing here takes part in training, and nothing that is measured changes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Array, Metrics, State
from ampl.interfaces import Evaluation as Evaluated
from continuous.algorithms.learner import ValueLearner
from continuous.algorithms.model_based import ModelBased
from continuous.algorithms.offline import AnyAlgorithm
from continuous.evaluation.certificates import ModelReturns, constant_return
from continuous.evaluation.evaluator import Evaluation, Evaluator
from continuous.evaluation.policy_evaluation import PolicyEvaluation
from continuous.evaluation.visits import real_visits, sample_rows, sample_visits
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import ReplayBuffer

_WHOLE = {"truth", "exact_weights"}  # groups of metrics that a seed has all or none of


class NoEvaluation:
    """Where there is no environment; a `continuous.algorithms.offline.Measured`."""

    knows_exact_weights: ClassVar[bool] = False

    def evaluations(self, algorithm: AnyAlgorithm, request: EvaluationRequest) -> Sequence[Evaluated]:
        """Of every seed: no metrics."""
        return [dict for _ in algorithm.seeds]

    def samples(self, algorithm: AnyAlgorithm) -> Sequence[State]:
        """Where data and model are; see `continuous.evaluation.visits`."""
        return sample_rows(algorithm.table, _buffer(algorithm), algorithm.seeds)

    def exact_weights(self, algorithm: AnyAlgorithm) -> Sequence[Array | None]:
        """Not known."""
        return [None] * len(algorithm.seeds)


class TaskEvaluation:
    """Measures one algorithm in its task; a `continuous.algorithms.offline.Measured`.

    Args:
        evaluator: gives an evaluator of the task in any process, for a number of episodes and a discount.
        score: from an evaluation to metrics, likewise.
        episode_limit: most steps of an episode, >= 1.
    """

    knows_exact_weights: ClassVar[bool] = False

    def __init__(
        self,
        evaluator: Callable[[int, float], Evaluator],
        score: Callable[[Evaluation], Metrics],
        episode_limit: int,
    ) -> None:
        self._evaluator, self._score, self._episode_limit = evaluator, score, episode_limit
        self._model_returns: ModelReturns | None = None

    def evaluations(self, algorithm: AnyAlgorithm, request: EvaluationRequest) -> Sequence[PolicyEvaluation]:
        """Scores of the policies' best actions, and what model and critics promise from the same starts.

        Metrics of the truth, or of exact weights, are left out for a seed where one is not finite, as of a policy that
        diverges.
        """
        evaluator, sound = self._evaluator_for(algorithm, request.episodes), algorithm.learner.is_sound()
        promised: dict[str, NDArray[Any]] = {}
        if request.certificates:
            promised = self._certificates(algorithm, evaluator().starts(algorithm.seeds, request.stream))
        return [
            PolicyEvaluation(
                evaluator=evaluator,
                score=self._score,
                policy=algorithm.actor(index),
                seed=seed,
                stream=request.stream,
                sound=sound[index],
                certificates=_of_seed(promised, index),
            )
            for index, seed in enumerate(algorithm.seeds)
        ]

    def samples(self, algorithm: AnyAlgorithm) -> Sequence[State]:
        """Where data, model and policy are; see `continuous.evaluation.visits`."""
        policies = [algorithm.actor(index) for index in range(len(algorithm.seeds))]
        real = real_visits(self._evaluator_for(algorithm, None)(), policies, algorithm.seeds)
        with algorithm.computing():
            returns = self.model_returns(algorithm) if isinstance(algorithm, ModelBased) else None
            return sample_visits(algorithm.table, _buffer(algorithm), returns, real, algorithm.seeds)

    def exact_weights(self, algorithm: AnyAlgorithm) -> Sequence[Array | None]:
        """Not known."""
        return [None] * len(algorithm.seeds)

    def model_returns(self, algorithm: ModelBased[Any, Any]) -> ModelReturns:
        """What follows the policy in the model; kept, for what it recorded on a GPU."""
        if self._model_returns is None:
            self._model_returns = ModelReturns(
                algorithm.charged_step,
                algorithm.best_action,
                data=algorithm.table.state,
                discount=algorithm.learner.discount,
                limit=self._episode_limit,
                seeds=algorithm.seeds,
                capture=not algorithm.charge_waits,
            )
        return self._model_returns

    def _evaluator_for(self, algorithm: AnyAlgorithm, episodes: int | None) -> Callable[[], Evaluator]:
        chosen = algorithm.settings.evaluation_episodes if episodes is None else episodes
        return partial(self._evaluator, chosen, algorithm.learner.discount)

    @torch.no_grad()
    def _certificates(self, algorithm: AnyAlgorithm, states: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Metrics of `continuous.evaluation.certificates`, [K] each, from states [K, E, D]."""
        start = torch.from_numpy(states).to(algorithm.table.rows.device)
        found: dict[str, Tensor] = {}
        with algorithm.computing():
            learner = algorithm.learner
            if isinstance(algorithm, ModelBased):
                returns = self.model_returns(algorithm)
                found = returns(start)
                action, length = returns.actions(start), returns.endless_length
            else:
                action = algorithm.best_action(start, SeedStreams(algorithm.seeds, "certificate", start.device))
                length = torch.full_like(start[..., 0], constant_return(learner.discount))  # as if nothing ends
            if isinstance(learner, ValueLearner):
                value = learner.action_value(start, action).amin(1)  # [K, E]
                found["certificate/value_estimate"] = algorithm.in_reward_units(value, length).mean(-1)
        return {name: column.cpu().numpy() for name, column in found.items()}


def _of_seed(promised: Mapping[str, NDArray[Any]], index: int) -> dict[str, float]:
    """One seed's metrics; a group in `_WHOLE` is left out if one of its numbers is not finite."""
    found = {name: float(column[index]) for name, column in promised.items()}
    broken = {name.partition("/")[0] for name, value in found.items() if not math.isfinite(value)} & _WHOLE
    return {name: value for name, value in found.items() if name.partition("/")[0] not in broken}


def _buffer(algorithm: AnyAlgorithm) -> ReplayBuffer | None:
    """What the model made, if there is one."""
    return algorithm.buffer if isinstance(algorithm, ModelBased) else None
