"""What MOPO, MBPO and DAMO share: a model that is fitted once, branched rollouts, and updates on mixed batches.

The loop is `ampl.training.train`'s; an epoch is one rollout of the model from many states of the data, then its
updates. What an update does is the learner's, what the model charges for uncertainty is the model's wrapper's.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Array, Evaluation, Metrics, State
from ampl.interfaces import Policy as ActingPolicy
from continuous.algorithms.branched_schedule import BranchedSchedule
from continuous.algorithms.sac.policy import SquashedGaussian
from continuous.algorithms.surroundings import Surroundings
from continuous.evaluation.certificates import ModelReturns
from continuous.evaluation.evaluator import Evaluator
from continuous.evaluation.policy_evaluation import PolicyEvaluation
from continuous.evaluation.visits import real_visits, sample_visits
from continuous.model.ensemble import DynamicsConfig, EnsembleDynamics
from continuous.model.rollout import Model, paths_at_once, roll_out
from continuous.networks.arithmetic import arithmetic_on
from continuous.networks.repetition import Repetition
from continuous.networks.streams import SeedStreams, prefixed, without_prefix
from continuous.replay.buffers import ModelBuffer, TransitionTable
from continuous.replay.mixed import MixedSampler

_STREAMS = ("model", "rollouts", "updates")


class Learner(Protocol):
    """Networks of K seeds and their update."""

    @property
    def policy(self) -> SquashedGaussian:
        """pi."""

    @property
    def discount(self) -> float:
        """gamma."""

    def action_value(self, state: Tensor, action: Tensor) -> Tensor:
        """The twin critics at states [K, B, D] and actions [K, B, A]: [K, 2, B]."""

    @property
    def sums(self) -> Mapping[str, Tensor]:
        """Metrics summed over the updates since `clear`, [K] each."""

    def settings_of_length(self, epochs: int) -> Mapping[str, Any]:
        """What follows from the number of epochs, for config.json: a run with such settings cannot be extended."""

    def begin_epoch(self, done: int, epochs: int) -> None:
        """Sets what changes from epoch to epoch, for the one after `done` of `epochs`."""

    def clear(self) -> None:
        """Sets the sums to zero."""

    def is_sound(self) -> list[bool]:
        """Whether all parameters are finite, seed by seed."""

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """Everything of one seed."""

    def load_state(self, index: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state`."""


LearnerT = TypeVar("LearnerT", bound=Learner)


class ModelBased(ABC, Generic[LearnerT]):
    """Base of the algorithms; subclasses give a learner, the model that is rolled out, and one update.

    Args:
        name: as on the command line.
        table: the offline data, on the device that trains.
        seeds: K of them.
        schedule: counts.
        dynamics: of the ensemble.
        evaluation_episodes: for each seed.
        settings: every hyperparameter as JSON values.
        surroundings: of the task and the machine.

    Attributes:
        streams: random numbers for the model's fit, rollouts and updates.
        model: the ensemble.
        buffer: D_model.
        sampler: of real and model rows together.
    """

    retrain_period: int | None = None
    evaluates_exactly = False
    charge_waits: bool = False  # whether `charged_step` waits for the host, as a simulator's does
    learner: LearnerT

    def __init__(
        self,
        name: str,
        table: TransitionTable,
        seeds: Sequence[int],
        *,
        schedule: BranchedSchedule,
        dynamics: DynamicsConfig,
        evaluation_episodes: int,
        settings: Mapping[str, Any],
        surroundings: Surroundings,
    ) -> None:
        self.name, self.seeds, self.schedule = name, tuple(seeds), schedule
        self.table, self._surroundings, self._settings = table, surroundings, settings
        self.arithmetic, self._evaluation_episodes = surroundings.arithmetic, evaluation_episodes
        device = self._device = table.rows.device
        self.streams = {stream: SeedStreams(seeds, stream, device) for stream in _STREAMS}
        unbounded = torch.full((table.observation_size,), math.inf, device=device)
        self.model = EnsembleDynamics(
            table.observation_size,
            table.action_size,
            dynamics,
            seeds,
            termination=surroundings.termination,
            state_bound=unbounded,
            reward_bound=unbounded[0],
            device=device,
        )
        self.buffer = ModelBuffer(len(seeds), schedule.buffer_capacity, table.layout, device)
        self.sampler = MixedSampler(
            table=table,
            buffer=self.buffer,
            streams=self.streams["updates"],
            batch_size=schedule.batch_size,
            real_rows=schedule.real_rows,
        )
        self._repetition: Repetition | None = None
        self._model_returns: ModelReturns | None = None

    def rollout_model(self) -> Model:
        """What is rolled out."""
        return self.model

    def rollout_policy(self) -> ActingPolicy:
        """Who acts in rollouts."""
        return self.learner.policy

    @abstractmethod
    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step of the model: next states, its own rewards, ends, and what the algorithm subtracts, [K, B, ...]."""

    @abstractmethod
    def update(self) -> None:
        """One update on fresh batches: a function of tensors only."""

    @property
    def steps_per_epoch(self) -> int:
        """Updates in an epoch."""
        return self.schedule.steps_per_epoch

    @property
    def device(self) -> str:
        """The word cpu, or the name of the GPU."""
        return torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"

    @property
    def dataset_sha256(self) -> str | None:
        """Of the data's file."""
        return self._surroundings.dataset_sha256

    def notes(self) -> Sequence[str]:
        """What the user should know of the run."""
        return tuple(self._surroundings.notes)

    def config(self) -> Mapping[str, Any]:
        """Every hyperparameter, and which data."""
        by_length = self.learner.settings_of_length(self.schedule.epochs)
        return {"data": dict(self._surroundings.description), **self._settings, **by_length}

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """Maximum likelihood of the ensemble, once; weights are not used by these algorithms."""
        with self.computing():
            return self.model.fit(self.table, None, self.streams["model"])

    def estimate_weights(self) -> Sequence[Array]:
        """Ones: the model is never refitted."""
        return [np.ones(self.table.n_transitions, dtype=np.float32) for _ in self.seeds]

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        """One rollout, then the epoch's updates."""
        self.learner.clear()
        self.learner.begin_epoch(epoch - 1, self.schedule.epochs)
        with self.computing():
            rolled = roll_out(
                self.rollout_model(),
                self.rollout_policy(),
                self.table,
                self.buffer,
                length=self.schedule.rollout_length,
                paths=self.schedule.rollout_starts,
                streams=self.streams["rollouts"],
                chunk=paths_at_once(self._device, len(self.seeds) * self.model.config.members),
            )
            if self._repetition is None:
                self._repetition = Repetition(self.update, [self.streams["updates"]], self._device)
            self._repetition.run(self.schedule.steps_per_epoch)
        means = {name: total / self.schedule.steps_per_epoch for name, total in self.learner.sums.items()} | rolled
        columns = torch.stack(list(means.values())).cpu().numpy()  # [metrics, K], the epoch's one transfer
        return [dict(zip(means, map(float, column), strict=True)) for column in columns.T]

    def evaluations(self, request: EvaluationRequest) -> Sequence[Evaluation]:
        """Scores of the policies' best actions, and what model and critics promise from the same starts."""
        evaluator, sound = self._evaluator(request.episodes), self.learner.is_sound()
        promised = self._certificates(evaluator().starts(self.seeds, request.stream)) if request.certificates else {}
        return [
            PolicyEvaluation(
                evaluator=evaluator,
                score=self._surroundings.score,
                policy=self.learner.policy.snapshot(index),
                seed=seed,
                stream=request.stream,
                sound=sound[index],
                certificates={name: float(column[index]) for name, column in promised.items()},
            )
            for index, seed in enumerate(self.seeds)
        ]

    def samples(self) -> Sequence[State]:
        """Where data, model and policy are; see `continuous.evaluation.visits`."""
        policies = [self.learner.policy.snapshot(index) for index in range(len(self.seeds))]
        real = real_visits(self._evaluator(None)(), policies, self.seeds)
        with self.computing():
            return sample_visits(self.table, self.buffer, self._returns(), real, self.seeds)

    def _evaluator(self, episodes: int | None) -> Callable[[], Evaluator]:
        chosen = self._evaluation_episodes if episodes is None else episodes
        return partial(self._surroundings.evaluator, chosen, self.learner.discount)

    @torch.no_grad()
    def _certificates(self, states: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Metrics of `continuous.evaluation.certificates`, [K] each, from states [K, E, D]."""
        start = torch.from_numpy(states).to(self._device)
        with self.computing():
            found = self._returns()(start)
            value = self.learner.action_value(start, self._best_action(start)).amin(1).mean(-1)
        return {name: column.cpu().numpy() for name, column in {**found, "certificate/value_estimate": value}.items()}

    def _returns(self) -> ModelReturns:
        """What follows the policy in the model; kept, for what it recorded on a GPU."""
        if self._model_returns is None:
            self._model_returns = ModelReturns(
                self.charged_step,
                self._best_action,
                data=self.table.state,
                discount=self.learner.discount,
                limit=self._surroundings.episode_limit,
                seeds=self.seeds,
                capture=not self.charge_waits,
            )
        return self._model_returns

    def state(self, index: int) -> State:
        """Everything of one seed."""
        parts = {"model": self.model, "learner": self.learner, "buffer": self.buffer}
        state: dict[str, Array] = {}
        for name, part in parts.items():
            state |= prefixed(name, part.state(index))  # type: ignore[attr-defined]
        return state | {f"streams/{name}": streams.state(index) for name, streams in self.streams.items()}

    def load_state(self, index: int, state: State) -> None:
        """Puts one seed back to where `state` was taken."""
        self.model.load_state(index, without_prefix("model", state))
        self.learner.load_state(index, without_prefix("learner", state))
        self.buffer.load_state(index, without_prefix("buffer", state))
        for name, streams in self.streams.items():
            streams.load_state(index, state[f"streams/{name}"])

    def computing(self) -> AbstractContextManager[None]:
        """How products are computed."""
        return arithmetic_on(self._device, self.arithmetic)

    @torch.no_grad()
    def _best_action(self, observations: Tensor) -> Tensor:
        """From [K, E, D] to [K, E, A]."""
        return self.learner.policy.best_action(observations).nan_to_num()
