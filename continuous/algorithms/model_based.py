"""What all algorithms with a model share: it is fitted, branched rollouts, and updates on batches of data and model.

An epoch is a few rollouts of the model from many states of the data, each with its share of the updates. What the model
charges for uncertainty is its wrapper's. AMPL refits the model with weights, the others fit it once.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from ampl.interfaces import Array, Metrics, State
from ampl.interfaces import Policy as ActingPolicy
from continuous.algorithms.config import ModelBasedConfig, Schedule
from continuous.algorithms.offline import LearnerT, OfflineAlgorithm, Surroundings
from continuous.algorithms.sac.learner import SoftActorCritic
from continuous.algorithms.sac.policy import saved_best_action
from continuous.model.ensemble import FIT_METRICS, EnsembleDynamics
from continuous.model.loss import LikelihoodLoss, ModelLoss
from continuous.model.rollout import Model, paths_at_once, roll_out
from continuous.networks.acting import BestAction
from continuous.networks.seed_state import prefixed, without_prefix
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, ReplayBuffer, TransitionTable

ModelBasedConfigT = TypeVar("ModelBasedConfigT", bound=ModelBasedConfig)
SACT = TypeVar("SACT", bound=SoftActorCritic)


class ModelBased(OfflineAlgorithm[LearnerT, ModelBasedConfigT]):
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

    stream_names: ClassVar[Sequence[str]] = ("model", "rollouts", "updates")
    takes_models_of: ClassVar[Sequence[str]]
    charge_waits: bool = False  # whether `charged_step` waits for the host, as a simulator's does
    shares_rollout_action: bool = False  # a defect of AMPL's released code; see `continuous.model.rollout`

    def __init__(
        self,
        table: TransitionTable,
        settings: ModelBasedConfigT,
        seeds: Sequence[int],
        surroundings: Surroundings,
        bounds: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__(table, settings, seeds, surroundings)
        device = self._device
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
        self._taken: dict[int, Metrics] = {}  # what is known of the fits of models of other runs, until the first fit

    @abstractmethod
    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step of the model: next states, its own rewards, ends, and what the algorithm subtracts, [K, B, ...]."""

    def rollout_model(self) -> Model:
        """What is rolled out."""
        return self.model

    def rollout_policy(self) -> ActingPolicy:
        """Who acts in rollouts."""
        return self.learner.policy

    def begin_epoch(self, epoch: int) -> None:
        """Sets what changes from epoch to epoch, the real rows of a batch first."""
        if (real_rows := self.schedule.real_rows(epoch)) != self.real_rows:
            self.real_rows = real_rows
            self.forget_recorded()
        super().begin_epoch(epoch)

    def model_loss(self, weights: Tensor | None) -> ModelLoss:
        """What a fit of the model minimizes."""
        return LikelihoodLoss()

    def fit_weights(self) -> Tensor | None:
        """w of every row of the data, of mean one, [K, N], in the model's newest fit; None: the algorithm has none."""
        return None

    @property
    def schedule(self) -> Schedule:
        """Counts of epochs, updates and rollouts."""
        return self.settings.schedule

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """(Weighted) maximum likelihood of the ensemble, from where the last fit ended; not of one that was taken."""
        if weights is None and self._taken:
            taken, self._taken = self._taken, {}
            return [taken[index] for index in range(len(self.seeds))]
        with self.computing():
            stacked = None if weights is None else torch.from_numpy(np.stack(weights)).float().to(self._device)
            return self.model.fit(self.table, stacked, self.streams["model"], self.model_loss(stacked))

    def take_model(self, index: int, state: State, metrics: Metrics) -> None:
        """Gives one seed the model of another run; see `ampl.interfaces.TakesModels`."""
        self._taken[index] = {name: value for name, value in metrics.items() if name in FIT_METRICS}
        self.model.load_state(index, without_prefix("model", state))
        fits, taken = self.streams["model"], state.get("streams/model")
        if taken is not None and taken.shape == fits.state(index).shape:  # of this seed, on the same kind of device
            fits.load_state(index, taken)

    def run_epoch(self, epoch: int) -> Mapping[str, Tensor]:
        """Rollouts, and after each its share of the updates."""
        rolled: Mapping[str, Tensor] = {}
        for _ in range(self.schedule.rollouts_per_epoch):
            if self.schedule.rolls_out(epoch):
                rolled = self.roll_out()
            self.make_updates(self.schedule.rollout_period)
        return rolled

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

    def state(self, index: int) -> State:
        """Everything of one seed."""
        model, buffer = prefixed("model", self.model.state(index)), prefixed("buffer", self.buffer.state(index))
        return {**super().state(index), **model, **buffer}

    def load_state(self, index: int, state: State) -> None:
        """Puts one seed back to where `state` was taken."""
        self._taken.pop(index, None)
        super().load_state(index, state)
        self.model.load_state(index, without_prefix("model", state))
        self.buffer.load_state(index, without_prefix("buffer", state))


class ModelBasedSAC(ModelBased[SACT, ModelBasedConfigT]):
    """Base of those whose learner is soft actor-critic: all but AMPL. As it is, nothing is charged for uncertainty.

    Their models are fitted alike, to rewards as the data have them; RAMBO's goes on changing.
    """

    takes_models_of: ClassVar[Sequence[str]] = ("mopo", "damo", "combo", "mobile", "morel")

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> BestAction:
        """See `OfflineAlgorithm`."""
        return saved_best_action(sizes, settings["learner"]["policy"], state)

    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The ensemble's step, and zero."""
        next_state, reward, terminal = self.model.step(state, action, streams)
        return next_state, reward, terminal, torch.zeros_like(reward)

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The policy's mean."""
        return self.learner.policy.best_action(state).nan_to_num()

    def update(self) -> None:
        """One update of soft actor-critic."""
        batch = self.mixed_batch()
        self.learner.update(batch, *self.policy_noise())

    def policy_noise(self) -> tuple[Tensor, Tensor]:
        """For the policy's actions at a batch's states and at its next states, [K, B, A] each."""
        noise = self.learner.policy.noise(self.streams["updates"], 2 * self.schedule.batch_size)
        here, there = noise.chunk(2, dim=1)  # one kernel a seed on a GPU
        return here, there
