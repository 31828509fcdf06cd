"""Deep TD3+BC: TD3 whose policy also imitates, K seeds side by side.

Source: Fujimoto and Gu, "A Minimalist Approach to Offline Reinforcement Learning" (NeurIPS 2021), Eqs. 3-5, on TD3
(Fujimoto et al., 2018, Algorithm 1):

    Q_j:  min  E_D[(Q_j(s, a) - y)^2],   y = r + gamma min_j Q'_j(s', pi'(s') + noise)
    pi:   max  E_D[lambda Q_1(s, pi(s)) - |pi(s) - a|^2],   lambda = alpha / mean|Q_1(s, pi(s))|   every second step

States are standardized by the data. The loop is `ampl.training.train`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ampl.interfaces import State
from continuous.algorithms.bc.policy import PolicyAdam, TanhPolicy, saved_tanh_action
from continuous.algorithms.learner import TwinCriticLearner, pairs
from continuous.algorithms.offline import OfflineAlgorithm, Surroundings
from continuous.algorithms.td3_bc.config import TD3BCConfig
from continuous.networks.acting import TanhAction
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import StackedMLP, frozen, relu
from continuous.networks.streams import SeedStreams, cpu_generator
from continuous.replay.buffers import Batch, TransitionTable


class TD3BCLearner(TwinCriticLearner):
    """Policy and twin critics of K seeds, with their targets; critics see standardized states.

    Args:
        table: the data.
        config: hyperparameters.
        seeds: K of them.
    """

    config: TD3BCConfig
    metrics = ("critic/loss", "critic/value_mean", "policy/loss", "policy/squared_distance")
    policy: TanhPolicy

    def __init__(self, table: TransitionTable, config: TD3BCConfig, seeds: Sequence[int]) -> None:
        device, sizes = table.rows.device, (table.observation_size, table.action_size)
        super().__init__(len(seeds), device)
        self.config = config
        self.policy = TanhPolicy(*sizes, config.policy, seeds, device)
        self.policy.fit_inputs(table)
        self.policy_target = frozen(self.policy.network)
        generators = [cpu_generator(seed, f"critic/initialization/{twin}") for seed in seeds for twin in range(2)]
        self.critic_online = StackedMLP((len(seeds), 2), (sum(sizes), *config.hidden, 1), relu, generators, device)
        self.critic_target = frozen(self.critic_online)
        self.critic_optimizer = StackedAdam(self.critic_online, learning_rate=config.critic_learning_rate)
        self.policy_optimizer = PolicyAdam(self.policy, config.policy_learning_rate)

    def action_value(self, state: Tensor, action: Tensor) -> Tensor:
        """Both twins at states in the task's units: [K, 2, B]."""
        return self.critic_online(pairs(self.policy.inputs(state), action))[..., 0]

    def standardized(self, batch: Batch) -> Batch:
        """The same transitions with states as the networks see them."""
        return batch._replace(state=self.policy.inputs(batch.state), next_state=self.policy.inputs(batch.next_state))

    def update(self, batch: Batch, noise: Tensor, *, trains_policy: bool) -> None:
        """One step of both twins; on some also of the policy and the targets.

        Args:
            batch: transitions, [K, B, ...].
            noise: standard normal, [K, B, A].
            trains_policy: whether on this one.
        """
        batch = self.standardized(batch)
        target = self.bellman_target(batch, noise)[:, None]  # [K, 1, B]
        value = self.critic_online(pairs(batch.state, batch.action))[..., 0]  # [K, 2, B]
        loss = (value - target).square().mean(-1).sum(-1)  # [K]
        self.critic_optimizer.step(self.critic_online.gradient(loss.sum()))
        of_policy = torch.zeros_like(loss), torch.zeros_like(loss)
        if trains_policy:
            of_policy = self._update_policy(batch)
        self.record(loss, value.mean(1), *of_policy)

    @torch.no_grad()
    def bellman_target(self, batch: Batch, noise: Tensor) -> Tensor:
        """y = r + gamma min_j Q'_j(s', pi'(s') + cut noise), no bootstrap at an end, [K, B]."""
        bound = self.config.target_noise_bound
        smoothing = (self.config.target_noise * noise).clamp(-bound, bound)
        action = (self.policy_target(batch.next_state).tanh() + smoothing).clamp(-1.0, 1.0)
        value = self.critic_target(pairs(batch.next_state, action))[..., 0].amin(1)
        return batch.reward + self.config.discount * ~batch.terminal * value

    def _update_policy(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One step of the policy, then of the targets; its metrics, [K] each, for all steps of its period."""
        loss, distance = self.policy_loss(batch)
        self.policy_optimizer.step(loss.sum())
        self.critic_target.follow(self.critic_online, self.config.target_rate)
        self.policy_target.follow(self.policy.network, self.config.target_rate)
        return loss * self.config.policy_period, distance * self.config.policy_period

    def policy_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-lambda Q_1 + imitation, and the imitation alone, mean over rows and entries of the action; [K] each."""
        action = self.policy.of_inputs(batch.state)
        value = self.critic_online(torch.cat((batch.state, action), dim=-1), head=0)[..., 0]  # Q_1, [K, B]
        weight = self.config.value_weight / value.detach().abs().mean(-1)
        distance = (action - batch.action).square().mean((-2, -1))
        return distance - weight * value.mean(-1), distance


class TD3BC(OfflineAlgorithm[TD3BCLearner, TD3BCConfig]):
    """TD3+BC for several seeds; arguments as of `OfflineAlgorithm`."""

    name = "td3-bc"

    def __init__(
        self, table: TransitionTable, config: TD3BCConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        self.updates_at_once = config.policy_period
        self.learner = TD3BCLearner(table, config, seeds)

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> TanhAction:
        """See `OfflineAlgorithm`."""
        return saved_tanh_action(sizes, settings["policy"], state)

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The policy's action."""
        return self.learner.policy.best_action(state).nan_to_num()

    def update(self) -> None:
        """As many steps as the policy is updated once in, on the last of which it is."""
        period, streams = self.settings.policy_period, self.streams["updates"]
        for step in range(1, period + 1):
            batch = self.real_batch()
            noise = streams.normal(*batch.action.shape[1:])
            self.learner.update(batch, noise, trains_policy=step == period)
