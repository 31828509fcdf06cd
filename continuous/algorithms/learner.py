"""What an algorithm trains, a model aside: networks of K seeds, and what every set of them can do."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ampl.interfaces import Actor
from ampl.interfaces import Policy as ActingPolicy
from continuous.networks.stacks import FlatParameters, StackedMLP


class LearnedPolicy(ActingPolicy, Protocol):
    """pi of K seeds."""

    @property
    def network(self) -> FlatParameters:
        """What is trained."""

    def snapshot(self, index: int) -> Actor:
        """One seed's policy, for evaluation: a copy."""


class Learner(nn.Module, ABC):
    """Networks of K seeds and their update; a checkpoint keeps its `state_dict`.

    Args:
        n_seeds: K.
        device: where everything lives.

    Attributes:
        policy: pi.
        sums: of `metrics` over the updates since `clear`, [K] each.
    """

    metrics: ClassVar[tuple[str, ...]]
    policy: LearnedPolicy

    def __init__(self, n_seeds: int, device: torch.device | str) -> None:
        super().__init__()
        self.sums = {name: torch.zeros(n_seeds, device=device) for name in self.metrics}

    @property
    @abstractmethod
    def discount(self) -> float:
        """gamma."""

    @property
    def levels(self) -> Mapping[str, Tensor]:
        """Metrics as they are at the end of an epoch, [K] each."""
        return {}

    def settings_of_length(self, epochs: int) -> Mapping[str, Any]:
        """What follows from the number of epochs, for config.json: a run with such settings cannot be extended."""
        return {}

    def begin_epoch(self, done: int, epochs: int) -> None:
        """Sets what changes from epoch to epoch, for the one after `done` of `epochs`."""

    @torch.no_grad()
    def record(self, *values: Tensor) -> None:
        """Adds one update's metrics, in the order of `metrics`; rows are averaged."""
        for name, value in zip(self.metrics, values, strict=True):
            self.sums[name] += value.detach() if value.dim() == 1 else value.detach().mean(-1)

    def clear(self) -> None:
        """Sets the sums of the metrics to zero."""
        for total in self.sums.values():
            total.zero_()

    def is_sound(self) -> list[bool]:
        """Whether all parameters of the policy, and of critics if there are any, are finite, seed by seed."""
        return self._finite().tolist()

    def _finite(self) -> Tensor:
        """The same on the device, [K] of bool."""
        return self.policy.network.is_finite()


class ValueLearner(Learner):
    """A learner whose critics value the policy's actions."""

    @property
    @abstractmethod
    def critics(self) -> FlatParameters:
        """The twin critics, [K, 2] networks."""

    @abstractmethod
    def action_value(self, state: Tensor, action: Tensor) -> Tensor:
        """The twin critics at states [K, B, D] and actions [K, B, A]: [K, 2, B]."""

    def _finite(self) -> Tensor:
        return super()._finite() & self.critics.is_finite()


class DiscountedConfig(Protocol):
    """What a `TwinCriticLearner` is told."""

    @property
    def discount(self) -> float:
        """gamma."""


class TwinCriticLearner(ValueLearner):
    """A learner with twin critics of (s, a).

    Attributes:
        config: hyperparameters.
        critic_online: [K, 2] networks from (s, a) to one value.
    """

    config: DiscountedConfig
    critic_online: StackedMLP

    @property
    def discount(self) -> float:
        """gamma."""
        return self.config.discount

    @property
    def critics(self) -> StackedMLP:
        """Those that are trained."""
        return self.critic_online

    def action_value(self, state: Tensor, action: Tensor) -> Tensor:
        """Both twins at states [K, B, D] and actions [K, B, A]: [K, 2, B]."""
        return self.critic_online(pairs(state, action))[..., 0]


class Decay(StrEnum):
    """How the policy's learning rate changes from epoch to epoch."""

    NONE = "none"
    COSINE = "cosine"  # to zero over the epochs of the run: OfflineRL-Kit, for MOPO's policy and DAMO's


class DecayingConfig(DiscountedConfig, Protocol):
    """What a `DecayingLearner` is told."""

    @property
    def policy_learning_rate(self) -> float:
        """At first."""

    @property
    def policy_learning_rate_decay(self) -> Decay:
        """From then on."""


class PolicyOptimizer(Protocol):
    """Something that trains a policy."""

    def set_learning_rate(self, value: float) -> None:
        """Of all steps from now on."""


class DecayingLearner(TwinCriticLearner):
    """A learner with twin critics whose policy's learning rate may decay over the epochs.

    Attributes:
        policy_optimizer: of the policy.
    """

    config: DecayingConfig
    policy_optimizer: PolicyOptimizer

    def settings_of_length(self, epochs: int) -> Mapping[str, Any]:
        """Over how many epochs the policy's learning rate decays, if it does."""
        decays = self.config.policy_learning_rate_decay is not Decay.NONE
        return {"policy_learning_rate_decay_epochs": epochs} if decays else {}

    def begin_epoch(self, done: int, epochs: int) -> None:
        """Sets the policy's learning rate for the epoch after `done` of `epochs`."""
        if self.config.policy_learning_rate_decay is Decay.COSINE:
            self.policy_optimizer.set_learning_rate(cosine_decay(self.config.policy_learning_rate, done, epochs))


def cosine_decay(initial: float, done: int, epochs: int) -> float:
    """A learning rate after `done` of `epochs`: the initial one at none, half of it half-way, zero at the end."""
    return 0.5 * initial * (1.0 + math.cos(math.pi * done / epochs))


def pairs(state: Tensor, action: Tensor) -> Tensor:
    """(s, a) for both twins, [K, 1, B, D + A]."""
    return torch.cat((state, action), dim=-1).unsqueeze(-3)
