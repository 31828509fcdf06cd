"""The value-discriminator loss of the dynamics model: next states need only look right to the critic.

An ablation of AMPL for refits (the first fit is by likelihood). In place of the likelihood of the next state it takes
|Q_1(s', a') - Q_1(s_hat, a_hat)|, with s_hat drawn by the model, a' and a_hat by the policy. The gradient reaches the
model through s_hat as the critic's input, not through a_hat. Source: the released code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from continuous.algorithms.ampl.policy import StackedPolicy
from continuous.model.loss import gaussian_loss
from continuous.model.network import DynamicsNetwork, Standardization
from continuous.networks.stacks import StackedMLP
from continuous.networks.streams import SeedStreams


class ValueModelLoss:
    """A `continuous.model.loss.ModelLoss`: likelihood of the reward, and difference in value of the next state.

    Args:
        critic: Q_1, one frozen network of (s, a) a seed (see `TwinCritic.first_head`).
        policy: of all seeds.
        standardization: of the model (`EnsembleDynamics.standardization`).
        seeds: to which of the critic's and policy's seeds the model's belong; all, if not given.
    """

    def __init__(
        self,
        critic: StackedMLP,
        policy: StackedPolicy,
        standardization: Standardization,
        seeds: Sequence[int] | None = None,
    ) -> None:
        self._critic, self._policy, self._standardization = critic, policy, standardization
        self._n_seeds = critic.stack[0]
        self._seeds = list(range(self._n_seeds) if seeds is None else seeds)
        self._index = torch.tensor(self._seeds, device=critic.values.device)

    def rows(self, network: DynamicsNetwork, inputs: Tensor, target: Tensor, streams: SeedStreams) -> Tensor:
        """[K, E, B]; draws the model's next states and the actions at both next states."""
        mean, log_std = network(inputs)  # [K, E, B, D + 1]
        reward_loss = gaussian_loss(mean[..., 0], log_std[..., 0], target[..., 0])
        noise = streams.normal(*mean.shape[1:])
        sample = mean + log_std.exp() * noise
        state = self._standardization.state(inputs)  # [K, E or 1, B, D]
        drawn = self._value(self._standardization.next_state(state, sample), streams)
        with torch.no_grad():
            true = self._value(self._standardization.next_state(state, target), streams)
        return reward_loss + (true - drawn).abs()

    def select(self, seeds: Sequence[int]) -> ValueModelLoss:
        """The same for networks of some of the seeds."""
        mine = [self._seeds[seed] for seed in seeds]
        return ValueModelLoss(self._critic, self._policy, self._standardization, mine)

    def _value(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """Q_1(s, a) with a ~ pi(s), [K, E, B], at states [K, E, B, D]."""
        rows = state.flatten(1, 2)
        every = self._of_all_seeds(rows)
        with torch.no_grad():
            noise = self._of_all_seeds(self._policy.noise(streams, rows.shape[1]))
            action, _ = self._policy.sample(every, noise)
        value = self._critic(torch.cat((every, action), dim=-1))[..., 0]
        return value[self._index].view(state.shape[:-1])

    def _of_all_seeds(self, values: Tensor) -> Tensor:
        """[K, ...] of the model's seeds to the same of the critic's, with zeros where the model has none."""
        if len(self._seeds) == self._n_seeds:
            return values
        return values.new_zeros(self._n_seeds, *values.shape[1:]).index_copy(0, self._index, values)
