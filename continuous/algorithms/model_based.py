"""What AMPL, MOPO, MBPO and DAMO share: a fitted model, branched rollouts, and updates on mixed batches.

The loop is `ampl.training.train`'s; an epoch is a few rollouts of the model from many states of the data, each with its
share of the updates. What an update does is the learner's, what the model charges for uncertainty is the model's
wrapper's. AMPL refits the model with weights, the others fit it once. What the policies are worth is measured from
outside, in `evaluation.py`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from ampl.arithmetic import DEFAULT, Arithmetic
from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Actor, Array, Evaluation, Metrics, State
from ampl.interfaces import Policy as ActingPolicy
from ampl.setting_values import settings_as_json
from continuous.algorithms.config import ModelBasedConfig, Schedule
from continuous.algorithms.learner import Learner
from continuous.model.ensemble import EnsembleDynamics
from continuous.model.loss import LikelihoodLoss, ModelLoss
from continuous.model.rollout import Model, paths_at_once, roll_out
from continuous.networks.arithmetic import arithmetic_on
from continuous.networks.repetition import Repetition
from continuous.networks.seed_state import load_seed_state, prefixed, seed_state, without_prefix
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, ReplayBuffer, TransitionTable

LearnerT = TypeVar("LearnerT", bound=Learner)
ConfigT = TypeVar("ConfigT", bound=ModelBasedConfig)


class Measured(Protocol):
    """What tells how good an algorithm's policies are: `continuous.algorithms.evaluation.TaskEvaluation`."""

    def evaluations(self, algorithm: Any, request: EvaluationRequest) -> Sequence[Evaluation]:
        """See `ampl.interfaces.Algorithm`."""

    def samples(self, algorithm: Any) -> Sequence[State]:
        """See `ampl.interfaces.Sampled`."""

    def exact_weights(self, algorithm: Any) -> Sequence[Array | None]:
        """See `ampl.interfaces.KnowsExactWeights`."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Task and machine, as far as an algorithm must know them.

    Attributes:
        termination: the task's rule, from states [..., D], actions [..., A] and next states to [...] of bool.
        evaluation: what measures the algorithm; None: it is only trained.
        description: what the data is, for config.json.
        dataset_sha256: of the data's file.
        arithmetic: threads and precision.
        notes: for the user.
    """

    termination: Callable[[Tensor, Tensor, Tensor], Tensor]
    evaluation: Measured | None = None
    description: Mapping[str, Any]
    dataset_sha256: str | None = None
    arithmetic: Arithmetic = DEFAULT
    notes: Sequence[str] = ()


class ModelBased(ABC, Generic[LearnerT, ConfigT]):
    """Base of the algorithms; subclasses give a learner, the model that is rolled out, and an update.

    Args:
        table: the offline data, on the device that trains.
        settings: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
        bounds: the largest |s_i|, [D], and |r| that the model may predict; None: any.

    Attributes:
        streams: random numbers for the model's fit, rollouts and updates.
        model: the ensemble.
        buffer: D_model.
        real_rows: rows of a batch that come from the data in this epoch.
    """

    name: ClassVar[str]
    stream_names: ClassVar[Sequence[str]] = ("model", "rollouts", "updates")
    retrain_period: int | None = None
    evaluates_exactly = False
    charge_waits: bool = False  # whether `charged_step` waits for the host, as a simulator's does
    updates_at_once: int = 1  # that a call of `update` makes
    shares_rollout_action: bool = False  # a defect of AMPL's released code; see `continuous.model.rollout`
    learner: LearnerT

    def __init__(
        self,
        table: TransitionTable,
        settings: ConfigT,
        seeds: Sequence[int],
        surroundings: Surroundings,
        bounds: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.table, self.settings, self.seeds = table, settings, tuple(seeds)
        self.surroundings, self.arithmetic = surroundings, surroundings.arithmetic
        device = self._device = table.rows.device
        self.streams = {stream: SeedStreams(seeds, stream, device) for stream in self.stream_names}
        state_bound, reward_bound = bounds or (
            torch.full((table.observation_size,), math.inf, device=device),
            torch.tensor(math.inf, device=device),
        )
        with self.computing():
            self.model = EnsembleDynamics(
                table.observation_size,
                table.action_size,
                settings.dynamics,
                seeds,
                termination=surroundings.termination,
                state_bound=state_bound,
                reward_bound=reward_bound,
                device=device,
            )
        self.buffer = ReplayBuffer(len(seeds), self.schedule.buffer_capacity, table.layout, device)
        self.real_rows = self.schedule.real_rows(1)
        self._repetition: Repetition | None = None

    @abstractmethod
    def update(self) -> None:
        """One update, or `updates_at_once`, on fresh batches: a function of tensors only."""

    @abstractmethod
    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step of the model: next states, its own rewards, ends, and what the algorithm subtracts, [K, B, ...]."""

    @abstractmethod
    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """What is evaluated: from [K, B, D] to [K, B, A]."""

    def rollout_model(self) -> Model:
        """What is rolled out."""
        return self.model

    def rollout_policy(self) -> ActingPolicy:
        """Who acts in rollouts."""
        return self.learner.policy

    def begin_epoch(self, epoch: int) -> None:
        """Sets what changes from epoch to epoch, for `epoch`, which counts from 1."""
        if (real_rows := self.schedule.real_rows(epoch)) != self.real_rows:
            self.real_rows = real_rows
            self.forget_recorded()
        self.learner.begin_epoch(epoch - 1, self.schedule.epochs)

    def actor(self, index: int) -> Actor:
        """One seed's policy as it is evaluated: a copy."""
        return self.learner.policy.snapshot(index)

    def model_loss(self, weights: Tensor | None) -> ModelLoss:
        """What a fit of the model minimizes."""
        return LikelihoodLoss()

    def in_reward_units(self, value: Tensor, discounted_length: Tensor) -> Tensor:
        """Values of the critics in the task's reward units, where training has others; both [K, B]."""
        return value

    @property
    def schedule(self) -> Schedule:
        """Counts of epochs and updates."""
        return self.settings.schedule

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
        return self.surroundings.dataset_sha256

    def notes(self) -> Sequence[str]:
        """What the user should know of the run."""
        return tuple(self.surroundings.notes)

    def config(self) -> Mapping[str, Any]:
        """Every hyperparameter, and which data."""
        by_length = self.learner.settings_of_length(self.schedule.epochs)
        return {"data": dict(self.surroundings.description), **settings_as_json(self.settings), **by_length}

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """(Weighted) maximum likelihood of the ensemble, from where the last fit ended."""
        with self.computing():
            stacked = None if weights is None else torch.from_numpy(np.stack(weights)).float().to(self._device)
            return self.model.fit(self.table, stacked, self.streams["model"], self.model_loss(stacked))

    def estimate_weights(self) -> Sequence[Array]:
        """Ones: the model is not refitted."""
        return [np.ones(self.table.n_transitions, dtype=np.float32) for _ in self.seeds]

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        """One epoch: rollouts, and after each its share of the updates."""
        schedule = self.schedule
        self.learner.clear()
        self.begin_epoch(epoch)
        rolled: Mapping[str, Tensor] = {}
        with self.computing():
            for _ in range(schedule.rollouts_per_epoch):
                if schedule.rolls_out(epoch):
                    rolled = self.roll_out()
                if self._repetition is None:
                    self._repetition = Repetition(self.update, [self.streams["updates"]], self._device)
                self._repetition.run(schedule.rollout_period // self.updates_at_once)
        means = {name: total / schedule.steps_per_epoch for name, total in self.learner.sums.items()}
        means |= {**self.learner.levels, **rolled}
        columns = torch.stack(list(means.values())).cpu().numpy()  # [metrics, K], the epoch's one transfer
        return [dict(zip(means, map(float, column), strict=True)) for column in columns.T]

    def forget_recorded(self) -> None:
        """Makes the updates anew: what they are has changed."""
        self._repetition = None

    def mixed_batch(self) -> Batch:
        """Rows of the data and of the model, [K, B, ...], real rows first."""
        sources = ((self.table, self.real_rows), (self.buffer, self.schedule.batch_size - self.real_rows))
        parts = [source.sample_rows(count, self.streams["updates"]) for source, count in sources if count]
        return self.table.layout.unpack(torch.cat(parts, dim=1))

    def roll_out(self) -> Mapping[str, Tensor]:
        """Branched rollouts from states of the data into the buffer; metrics of them, [K] each."""
        return roll_out(
            self.rollout_model(),
            self.rollout_policy(),
            self.table,
            self.buffer,
            length=self.schedule.rollout_length,
            paths=self.schedule.paths,
            streams=self.streams["rollouts"],
            shared_action=self.shares_rollout_action,
            chunk=paths_at_once(self._device, len(self.seeds) * self.model.config.members),
        )

    def evaluations(self, request: EvaluationRequest) -> Sequence[Evaluation]:
        """Scores of the policies, and certificates; see `continuous.algorithms.evaluation`."""
        assert self.surroundings.evaluation is not None
        return self.surroundings.evaluation.evaluations(self, request)

    def samples(self) -> Sequence[State]:
        """Where data, model and policy are; see `continuous.evaluation.visits`."""
        assert self.surroundings.evaluation is not None
        return self.surroundings.evaluation.samples(self)

    def state(self, index: int) -> State:
        """Everything of one seed."""
        streams = {name: stream.state(index) for name, stream in self.streams.items()}
        return (
            seed_state(self.tensors(), index)
            | prefixed("model", self.model.state(index))
            | prefixed("buffer", self.buffer.state(index))
            | prefixed("streams", streams)
        )

    def load_state(self, index: int, state: State) -> None:
        """Puts one seed back to where `state` was taken."""
        load_seed_state(self.tensors(), index, state)
        self.model.load_state(index, without_prefix("model", state))
        self.buffer.load_state(index, without_prefix("buffer", state))
        for name, streams in self.streams.items():
            streams.load_state(index, state[f"streams/{name}"])

    def tensors(self) -> dict[str, Tensor]:
        """What else is kept of each seed, which is each tensor's first axis: what is trained besides the model."""
        return prefixed("learner", self.learner.state_dict())

    def computing(self) -> AbstractContextManager[None]:
        """How products are computed."""
        return arithmetic_on(self._device, self.arithmetic)
