"""Soft actor-critic on stacked networks: K seeds with twin critics, one update as a function of tensors only.

Reads beside Haarnoja et al. 2018 ("Soft Actor-Critic Algorithms and Applications"), Algorithm 1, the gradient steps:
critics, then the policy against the new critics, then the temperature, then the targets. Settings are those of MOPO's
code; OfflineRL-Kit's are named in the comments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from ampl.errors import check_at_least, check_fraction
from continuous.algorithms.learner import Decay, DecayingLearner, pairs
from continuous.algorithms.sac.policy import SquashedGaussian, SquashedGaussianConfig
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import FlatParameters, StackedMLP, check_hidden, frozen, relu
from continuous.networks.streams import cpu_generator
from continuous.replay.buffers import Batch

METRICS = (
    "critic/loss",
    "critic/value_mean",
    "policy/loss",
    "policy/entropy_nats",
    "policy/temperature",
)

ConfigT = TypeVar("ConfigT", bound="SoftActorCriticConfig")


@dataclass(frozen=True, kw_only=True)
class SoftActorCriticConfig:
    """Hyperparameters of MOPO's code."""

    discount: float = 0.99  # gamma
    target_rate: float = 0.005  # how far the target critics follow in one update
    critic_learning_rate: float = 3e-4
    policy_learning_rate: float = 3e-4  # 3e-4 in MOPO's code, 1e-4 in OfflineRL-Kit
    policy_learning_rate_decay: Decay = Decay.NONE  # over the epochs; none in MOPO's code, cosine in OfflineRL-Kit
    temperature_learning_rate: float = 3e-4  # 3e-4 in MOPO's code, 1e-4 in OfflineRL-Kit
    target_entropy: float | None = -3.0  # nats; MOPO's code has -3 for every D4RL task; None: minus the action size
    initial_log_temperature: float = 0.0
    highest_temperature: float | None = None  # where it is cut: 1 in OfflineRL-Kit; None: nowhere
    hidden: tuple[int, ...] = (256, 256)  # of the critics
    policy: SquashedGaussianConfig = field(default_factory=SquashedGaussianConfig)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        check_fraction("discount", self.discount)
        check_fraction("target_rate", self.target_rate)
        for name in ("critic_learning_rate", "policy_learning_rate", "temperature_learning_rate"):
            check_at_least(name, getattr(self, name), 0.0)
        if self.highest_temperature is not None:
            check_at_least("highest_temperature", self.highest_temperature, 0.0)


KIT_LEARNER = SoftActorCriticConfig(
    policy_learning_rate=1e-4,
    policy_learning_rate_decay=Decay.COSINE,
    temperature_learning_rate=1e-4,
    target_entropy=None,
    highest_temperature=1.0,
    policy=SquashedGaussianConfig(lowest_log_std=-5.0),
)
"""OfflineRL-Kit's, which MOPO's variant `kit` has, and DAMO, whose own are lost."""


def small_learner(learner: ConfigT) -> ConfigT:
    """The same for our own tasks lqr-...: small networks that learn fast."""
    return replace(
        learner,
        policy_learning_rate=1e-3,
        critic_learning_rate=1e-3,
        target_rate=0.01,
        target_entropy=None,
        hidden=(64, 64),
        policy=replace(learner.policy, hidden=(64, 64)),
    )


class SoftActorCritic(DecayingLearner):
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
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS
    entropy_in_target: ClassVar[bool] = True
    policy: SquashedGaussian
    config: SoftActorCriticConfig
    policy_optimizer: StackedAdam

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: SoftActorCriticConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(len(seeds), device)
        self.config = config
        self.policy = SquashedGaussian(observation_size, action_size, config.policy, seeds, device)
        widths = (observation_size + action_size, *config.hidden, 1)
        generators = [cpu_generator(seed, f"critic/initialization/{twin}") for seed in seeds for twin in range(2)]
        self.critic_online = StackedMLP((len(seeds), 2), widths, relu, generators, device)
        self.critic_target = frozen(self.critic_online)
        self.trained_temperature = FlatParameters((len(seeds),), {"log_temperature": (1,)}, device)
        self.log_temperature.fill_(config.initial_log_temperature)
        self._target_entropy = float(-action_size) if config.target_entropy is None else config.target_entropy
        self.critic_optimizer = StackedAdam(self.critic_online, learning_rate=config.critic_learning_rate)
        self.policy_optimizer = StackedAdam(self.policy.network, learning_rate=config.policy_learning_rate)
        rate = config.temperature_learning_rate
        self.temperature_optimizer = StackedAdam(self.trained_temperature, learning_rate=rate)

    @property
    def log_temperature(self) -> Tensor:
        """A view without gradient, [K]."""
        return self.trained_temperature.views["log_temperature"].detach()[:, 0]

    @property
    def temperature(self) -> Tensor:
        """What weighs the entropy, [K, 1], without gradient."""
        temperature = self.log_temperature.exp()[:, None]
        highest = self.config.highest_temperature
        return temperature if highest is None else temperature.clamp(max=highest)

    def update(self, batch: Batch, noise: Tensor, next_noise: Tensor) -> None:
        """One update of everything.

        Args:
            batch: transitions, [K, B, ...].
            noise: standard normal, for actions at s, [K, B, A].
            next_noise: likewise, at s'.
        """
        self.record(self._update_critics(batch, next_noise), *self.improve(batch.state, noise))

    def improve(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The policy against the new critics at states [K, B, D], then the temperature, then the target critics.

        Returns:
            What `metrics` has of it: the smaller twin's value [K, B], the policy's loss, its entropy, and the
            temperature, [K] each.
        """
        action, log_probability = self.policy.sample_with_log_probability(state, noise)
        value = self.action_value(state, action).amin(1)  # min_j Q_j(s, pi(s)), [K, B]
        policy_loss = (self.temperature * log_probability - value).mean(-1)  # [K]
        self.policy_optimizer.step(self.policy.network.gradient(policy_loss.sum()))
        entropy = -log_probability.detach().mean(-1)
        self._update_temperature(entropy)
        self.critic_target.follow(self.critic_online, self.config.target_rate)
        return value, policy_loss, entropy, self.temperature[:, 0]

    @torch.no_grad()
    def bellman_target(self, batch: Batch, next_noise: Tensor) -> Tensor:
        """y = r + gamma (min_j Q'_j(s', a') - temperature log pi(a'|s')), no bootstrap at an end, [K, B]."""
        return batch.reward + self.config.discount * ~batch.terminal * self.next_value(batch.next_state, next_noise)

    def next_value(self, state: Tensor, noise: Tensor) -> Tensor:
        """What the target bootstraps at next states [K, B, D], [K, B]: their value, soft unless the class says no."""
        if not self.entropy_in_target:
            return self.smaller_target(state, self.policy.sample(state, noise)[0])
        action, log_probability = self.policy.sample_with_log_probability(state, noise)
        return self.smaller_target(state, action) - self.temperature * log_probability

    def smaller_target(self, state: Tensor, action: Tensor) -> Tensor:
        """min_j Q'_j at states [K, B, D] and actions [K, B, A]: [K, B]."""
        return self.critic_target(pairs(state, action))[..., 0].amin(1)

    def _update_critics(self, batch: Batch, next_noise: Tensor) -> Tensor:
        """One step of both twins down half the mean squared error; their mean loss, [K]."""
        target = self.bellman_target(batch, next_noise)[:, None]  # [K, 1, B]
        value = self.action_value(batch.state, batch.action)  # [K, 2, B]
        loss = 0.5 * (value - target).square().mean(-1)  # [K, 2]
        self.critic_optimizer.step(self.critic_online.gradient(loss.sum()))
        return loss.detach().mean(-1)

    def _update_temperature(self, entropy: Tensor) -> None:
        """One step down log_temperature * (entropy - target entropy), whose slope is known."""
        self.temperature_optimizer.step([(entropy - self._target_entropy)[:, None]])
