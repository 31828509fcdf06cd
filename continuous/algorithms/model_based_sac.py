"""Soft actor-critic on data and rollouts of a model: what MOPO, DAMO, COMBO, RAMBO, MOBILE and MOReL share."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from continuous.algorithms.config import ModelBasedConfig
from continuous.algorithms.model_based import ModelBased
from continuous.algorithms.sac.learner import SoftActorCritic
from continuous.networks.streams import SeedStreams

SACT = TypeVar("SACT", bound=SoftActorCritic)
SACConfigT = TypeVar("SACConfigT", bound=ModelBasedConfig)


class ModelBasedSAC(ModelBased[SACT, SACConfigT]):
    """Base of those whose learner is soft actor-critic; as it is, nothing is charged for uncertainty."""

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
