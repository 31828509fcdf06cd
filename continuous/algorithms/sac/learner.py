"""Soft actor-critic on stacked networks: K seeds with twin critics, one update as a function of tensors only.

Reads beside Haarnoja et al. 2018 ("Soft Actor-Critic Algorithms and Applications"), Algorithm 1, the gradient steps:
critics, then the policy against the new critics, then the temperature, then the targets. Settings are those of MOPO's
code; OfflineRL-Kit's are named in the comments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.errors import check_at_least, check_fraction
from continuous.algorithms.sac.policy import SquashedGaussian, SquashedGaussianConfig
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import FlatParameters, StackedMLP, relu
from continuous.networks.streams import cpu_generator, prefixed, without_prefix
from continuous.replay.buffers import Batch

METRICS = (
    "critic/loss",
    "critic/value_mean",
    "policy/loss",
    "policy/entropy_nats",
    "policy/temperature",
)


class Decay(StrEnum):
    """How the policy's learning rate changes from epoch to epoch."""

    NONE = "none"
    COSINE = "cosine"  # to zero over the epochs of the run: OfflineRL-Kit, for MOPO's policy and DAMO's


@dataclass(frozen=True, kw_only=True)
class SoftActorCriticConfig:
    """Hyperparameters of MOPO's code."""

    discount: float = 0.99  # gamma
    target_rate: float = 0.005  # how far the target critics follow in one update
    critic_learning_rate: float = 3e-4
    policy_learning_rate: float = 3e-4  # OfflineRL-Kit: 1e-4
    policy_learning_rate_decay: Decay = Decay.NONE  # OfflineRL-Kit: cosine
    temperature_learning_rate: float = 3e-4  # OfflineRL-Kit: 1e-4
    target_entropy: float | None = -3.0  # nats; MOPO's code has -3 for every D4RL task; None: minus the action size
    initial_log_temperature: float = 0.0
    highest_temperature: float | None = None  # OfflineRL-Kit: 1
    hidden: tuple[int, ...] = (256, 256)  # of the critics
    policy: SquashedGaussianConfig = field(default_factory=SquashedGaussianConfig)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_fraction("discount", self.discount)
        check_fraction("target_rate", self.target_rate)
        for name in ("critic_learning_rate", "policy_learning_rate", "temperature_learning_rate"):
            check_at_least(name, getattr(self, name), 0.0)
        if self.highest_temperature is not None:
            check_at_least("highest_temperature", self.highest_temperature, 0.0)


class SoftActorCritic:
    """Policy, twin critics and temperature of K seeds.

    Args:
        observation_size: D.
        action_size: A.
        config: hyperparameters.
        seeds: K of them.
        device: where everything lives.

    Attributes:
        policy: pi.
        critic_online, critic_target: [K, 2] networks from (s, a) to one value.
        log_temperature: [K]; the temperature weighs the entropy.
        sums: of `METRICS` over the updates since `clear`, [K] each.
    """

    metrics: tuple[str, ...] = METRICS

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: SoftActorCriticConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.policy = SquashedGaussian(observation_size, action_size, config.policy, seeds, device)
        widths = (observation_size + action_size, *config.hidden, 1)
        generators = [cpu_generator(seed, f"critic/initialization/{twin}") for seed in seeds for twin in range(2)]
        self.critic_online = StackedMLP((len(seeds), 2), widths, relu, generators, device)
        self.critic_target = self.critic_online.frozen()
        self._temperature = FlatParameters((len(seeds),), {"log_temperature": (1,)}, device)
        self.log_temperature.fill_(config.initial_log_temperature)
        self._target_entropy = float(-action_size) if config.target_entropy is None else config.target_entropy
        self._critic_optimizer = StackedAdam(self.critic_online.parameters, learning_rate=config.critic_learning_rate)
        self._policy_optimizer = StackedAdam(self.policy.parameters, learning_rate=config.policy_learning_rate)
        self._temperature_optimizer = StackedAdam(self._temperature, learning_rate=config.temperature_learning_rate)
        self.sums = {name: torch.zeros(len(seeds), device=device) for name in self.metrics}

    @property
    def log_temperature(self) -> Tensor:
        """A view without gradient, [K]."""
        return self._temperature.views["log_temperature"].detach()[:, 0]

    @property
    def temperature(self) -> Tensor:
        """What weighs the entropy, [K, 1], without gradient."""
        temperature = self.log_temperature.exp()[:, None]
        highest = self.config.highest_temperature
        return temperature if highest is None else temperature.clamp(max=highest)

    @property
    def levels(self) -> Mapping[str, Tensor]:
        """None."""
        return {}

    @property
    def discount(self) -> float:
        """gamma."""
        return self.config.discount

    def settings_of_length(self, epochs: int) -> Mapping[str, Any]:
        """Over how many epochs the policy's learning rate decays, if it does."""
        decays = self.config.policy_learning_rate_decay is not Decay.NONE
        return {"policy_learning_rate_decay_epochs": epochs} if decays else {}

    def begin_epoch(self, done: int, epochs: int) -> None:
        """Sets the policy's learning rate for the epoch after `done` of `epochs`."""
        if self.config.policy_learning_rate_decay is Decay.COSINE:
            self._policy_optimizer.set_learning_rate(cosine_decay(self.config.policy_learning_rate, done, epochs))

    def action_value(self, state: Tensor, action: Tensor) -> Tensor:
        """Both twins at states [K, B, D] and actions [K, B, A]: [K, 2, B]."""
        return self.critic_online(pairs(state, action))[..., 0]

    def update(self, batch: Batch, noise: Tensor, next_noise: Tensor) -> None:
        """One update of everything.

        Args:
            batch: transitions, [K, B, ...].
            noise: standard normal, for actions at s, [K, B, A].
            next_noise: likewise, at s'.
        """
        critic_loss = self._update_critics(batch, next_noise)
        action, log_probability = self.policy.sample_with_log_probability(batch.state, noise)
        value = self.action_value(batch.state, action).amin(1)  # min_j Q_j(s, pi(s)), [K, B]
        policy_loss = (self.temperature * log_probability - value).mean(-1)  # [K]
        self._policy_optimizer.step(self.policy.parameters.gradient(policy_loss.sum()))
        entropy = -log_probability.detach().mean(-1)
        self._update_temperature(entropy)
        self.critic_target.parameters.follow(self.critic_online.parameters, self.config.target_rate)
        self.record(critic_loss, value, policy_loss, entropy, self.temperature[:, 0])

    @torch.no_grad()
    def bellman_target(self, batch: Batch, next_noise: Tensor) -> Tensor:
        """y = r + gamma (min_j Q'_j(s', a') - temperature log pi(a'|s')), no bootstrap at an end, [K, B]."""
        action, log_probability = self.policy.sample_with_log_probability(batch.next_state, next_noise)
        value = self.critic_target(pairs(batch.next_state, action))[..., 0].amin(1)
        soft_value = value - self.temperature * log_probability
        return batch.reward + self.config.discount * ~batch.terminal * soft_value

    def _update_critics(self, batch: Batch, next_noise: Tensor) -> Tensor:
        """One step of both twins down half the mean squared error; their mean loss, [K]."""
        target = self.bellman_target(batch, next_noise)[:, None]  # [K, 1, B]
        value = self.action_value(batch.state, batch.action)  # [K, 2, B]
        loss = 0.5 * (value - target).square().mean(-1)  # [K, 2]
        self._critic_optimizer.step(self.critic_online.parameters.gradient(loss.sum()))
        return loss.detach().mean(-1)

    def _update_temperature(self, entropy: Tensor) -> None:
        """One step down log_temperature * (entropy - target entropy), whose slope is known."""
        self._temperature_optimizer.step([(entropy - self._target_entropy)[:, None]])

    @torch.no_grad()
    def record(self, *values: Tensor) -> None:
        """Adds one update's metrics, in the order of `metrics`; rows are averaged."""
        for name, value in zip(self.metrics, values, strict=True):
            self.sums[name] += value.detach() if value.dim() == 1 else value.detach().mean(-1)

    def clear(self) -> None:
        """Sets the sums of the metrics to zero."""
        for total in self.sums.values():
            total.zero_()

    @torch.no_grad()
    def is_sound(self) -> list[bool]:
        """Whether all parameters of the policy and the critics are finite, seed by seed."""
        parts = (self.policy.parameters, self.critic_online.parameters)
        return [all(bool(part.of_seed(k).isfinite().all()) for part in parts) for k in range(parts[0].stack[0])]

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """Everything of one seed."""
        own = {name: part.of_seed(index).cpu().numpy() for name, part in self._parameters().items()}
        for name, optimizer in self._optimizers().items():
            own |= prefixed(name, optimizer.state(index))
        return own

    def load_state(self, index: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Puts one seed back to where `state` was taken."""
        for name, part in self._parameters().items():
            part.set_seed(index, torch.from_numpy(np.array(state[name])))
        for name, optimizer in self._optimizers().items():
            optimizer.load_state(index, without_prefix(name, state))

    def _parameters(self) -> dict[str, FlatParameters]:
        return {
            "policy": self.policy.parameters,
            "critic_online": self.critic_online.parameters,
            "critic_target": self.critic_target.parameters,
            "temperature": self._temperature,
        }

    def _optimizers(self) -> dict[str, StackedAdam]:
        return {
            "policy_optimizer": self._policy_optimizer,
            "critic_optimizer": self._critic_optimizer,
            "temperature_optimizer": self._temperature_optimizer,
        }


def cosine_decay(initial: float, done: int, epochs: int) -> float:
    """A learning rate after `done` of `epochs`: the initial one at none, half of it half-way, zero at the end."""
    return 0.5 * initial * (1.0 + math.cos(math.pi * done / epochs))


def pairs(state: Tensor, action: Tensor) -> Tensor:
    """(s, a) for both twins, [K, 1, B, D + A]."""
    return torch.cat((state, action), dim=-1).unsqueeze(-3)
