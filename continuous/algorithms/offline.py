"""What every deep algorithm is to the driver: streams, a learner, epochs of updates, evaluations, a seed's state.

An algorithm without a model is this and an update on rows of the data; `model_based.py` adds the model. The loop is
`ampl.training.train`'s; what an update does is the learner's; what the policies are worth is measured from outside, in
`evaluation.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, Self, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from ampl.arithmetic import DEFAULT, Arithmetic
from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Actor, Array, Evaluation, Metrics, State
from ampl.setting_values import settings_as_json
from continuous.algorithms.config import OfflineConfig, UpdateSchedule
from continuous.algorithms.learner import Learner
from continuous.networks.arithmetic import arithmetic_on
from continuous.networks.repetition import Repetition
from continuous.networks.seed_state import load_seed_state, prefixed, seed_state
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, TransitionTable

LearnerT = TypeVar("LearnerT", bound=Learner)
ConfigT = TypeVar("ConfigT", bound=OfflineConfig)


class Measured(Protocol):
    """What tells how good an algorithm's policies are: `continuous.algorithms.evaluation.TaskEvaluation`.

    Attributes:
        knows_exact_weights: whether `exact_weights` can have any.
    """

    knows_exact_weights: ClassVar[bool]

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
        start_states: gives so many states that the task's episodes start from, [count, D]; None: the data's alone are
            known.
        true_step: gives the simulator's next states [K, B, D] of states [K, B, D] and actions [K, B, A], not a number
            where unknown; None: not to be had, or not asked for by `OfflineConfig.needs_true_step`.
        evaluation: what measures the algorithm; None: it is only trained.
        description: what the data is, for config.json.
        dataset_sha256: of the data's file.
        arithmetic: threads and precision.
        notes: for the user.
    """

    termination: Callable[[Tensor, Tensor, Tensor], Tensor]
    start_states: Callable[[int], Tensor] | None = None
    true_step: Callable[[Tensor, Tensor], Tensor] | None = None
    evaluation: Measured | None = None
    description: Mapping[str, Any]
    dataset_sha256: str | None = None
    arithmetic: Arithmetic = DEFAULT
    notes: Sequence[str] = ()


class OfflineAlgorithm(ABC, Generic[LearnerT, ConfigT]):
    """Base of the algorithms; subclasses give a learner and an update.

    Args:
        table: the offline data, on the device that trains.
        settings: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.

    Attributes:
        streams: random numbers, by what they are for.

    Raises:
        InvalidArgumentError: an epoch is no whole number of rounds of updates.
    """

    name: ClassVar[str]
    stream_names: ClassVar[Sequence[str]] = ("updates",)
    retrain_period: int | None = None
    evaluates_exactly = False
    updates_at_once: int = 1  # that a call of `update` makes
    learner: LearnerT

    def __init__(
        self, table: TransitionTable, settings: ConfigT, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        settings.check_whole_epochs()
        self.table, self.settings, self.seeds = table, settings, tuple(seeds)
        self.surroundings, self.arithmetic = surroundings, surroundings.arithmetic
        self._device = table.rows.device
        self.streams = {stream: SeedStreams(seeds, stream, self._device) for stream in self.stream_names}
        self._repetition: Repetition | None = None

    @classmethod
    def on_data(
        cls, table: TransitionTable, settings: ConfigT, seeds: Sequence[int], surroundings: Surroundings
    ) -> Self:
        """The algorithm on a task's data as they are, which it may want changed."""
        return cls(table, settings, seeds, surroundings)

    @staticmethod
    @abstractmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> Actor:
        """What `actor` gave, from what a run recorded.

        Args:
            sizes: D and A.
            settings: as `config` gave them, and JSON has them.
            state: of the seed, as `state` gave it.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError, InvalidShapeError: they are not those of this version.
        """

    @abstractmethod
    def update(self) -> None:
        """One update, or `updates_at_once`, on fresh batches: a function of tensors only."""

    @abstractmethod
    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """What is evaluated: from [K, B, D] to [K, B, A]."""

    def begin_epoch(self, epoch: int) -> None:
        """Sets what changes from epoch to epoch, for `epoch`, which counts from 1."""
        self.learner.begin_epoch(epoch - 1, self.schedule.epochs)

    def actor(self, index: int) -> Actor:
        """One seed's policy as it is evaluated: a copy."""
        return self.learner.policy.snapshot(index)

    def in_reward_units(self, value: Tensor, discounted_length: Tensor) -> Tensor:
        """Values of the critics in the task's reward units, where training has others; both [K, B].

        Args:
            value: what the critics say.
            discounted_length: sum of the discounts of the steps that are valued.
        """
        return value

    @property
    def schedule(self) -> UpdateSchedule:
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
        """There is none, and no metrics of it."""
        return [{} for _ in self.seeds]

    def estimate_weights(self) -> Sequence[Array]:
        """Ones: no model is refitted."""
        return [np.ones(self.table.n_transitions, dtype=np.float32) for _ in self.seeds]

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        """One epoch."""
        self.learner.clear()
        self.begin_epoch(epoch)
        with self.computing():
            also = self.run_epoch(epoch)
        means = {name: total / self.steps_per_epoch for name, total in self.learner.sums.items()}
        means |= {**self.learner.levels, **also}
        columns = torch.stack(list(means.values())).cpu().numpy()  # [metrics, K], the epoch's one transfer
        return [dict(zip(means, map(float, column), strict=True)) for column in columns.T]

    def run_epoch(self, epoch: int) -> Mapping[str, Tensor]:
        """All updates of one epoch; metrics besides the learner's, [K] each."""
        self.make_updates(self.steps_per_epoch)
        return {}

    def make_updates(self, count: int) -> None:
        """So many updates; a multiple of `updates_at_once`."""
        if self._repetition is None:
            self._repetition = Repetition(self.update, [self.streams["updates"]], self._device)
        self._repetition.run(count // self.updates_at_once)

    def forget_recorded(self) -> None:
        """Makes the updates anew: what they are has changed."""
        self._repetition = None

    def real_batch(self) -> Batch:
        """Rows of the data, [K, B, ...]."""
        return self.table.sample(self.schedule.batch_size, self.streams["updates"])

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
        return seed_state(self.tensors(), index) | prefixed("streams", streams)

    def load_state(self, index: int, state: State) -> None:
        """Puts one seed back to where `state` was taken."""
        load_seed_state(self.tensors(), index, state)
        for name, streams in self.streams.items():
            streams.load_state(index, state[f"streams/{name}"])

    def tensors(self) -> dict[str, Tensor]:
        """What is trained, or else kept of each seed, which is each tensor's first axis; a model aside."""
        return prefixed("learner", self.learner.state_dict())

    def computing(self) -> AbstractContextManager[None]:
        """How products are computed."""
        return arithmetic_on(self._device, self.arithmetic)


AnyAlgorithm: TypeAlias = OfflineAlgorithm[Any, Any]
"""Whatever its learner and settings."""
