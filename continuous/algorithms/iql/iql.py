"""Deep IQL: values of the best actions in the data without asking for any other action, K seeds side by side.

Source: Kostrikov, Nair and Levine, "Offline Reinforcement Learning with Implicit Q-Learning" (2021), Algorithm 1:

    V:    min  E_D[L(min_j Q'_j(s, a) - V(s))],   L(u) = |tau - 1(u < 0)| u^2                   Eq. 5
    pi:   max  E_D[exp(beta (min_j Q'_j(s, a) - V(s))) log pi(a|s)], the weight cut at 100      Eq. 7
    Q_j:  min  E_D[(r + gamma V(s') - Q_j(s, a))^2]                                             Eq. 6

in the order of the official code. The loop is `ampl.training.train`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError
from ampl.interfaces import State
from continuous.algorithms.bc.policy import PolicyAdam, TanhPolicy, saved_tanh_action
from continuous.algorithms.iql.config import IQLConfig
from continuous.algorithms.learner import DecayingLearner, pairs
from continuous.algorithms.offline import OfflineAlgorithm, Surroundings
from continuous.networks.acting import TanhAction
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import StackedMLP, frozen, relu
from continuous.networks.streams import SeedStreams, cpu_generator
from continuous.replay.buffers import Batch, TransitionTable


class IQLLearner(DecayingLearner):
    """Policy, value and twin critics of K seeds.

    Args:
        table: the data.
        config: hyperparameters.
        seeds: K of them.
    """

    metrics = ("critic/loss", "critic/value_mean", "value/loss", "value/mean", "policy/loss", "policy/advantage_mean")
    policy: TanhPolicy
    config: IQLConfig
    policy_optimizer: PolicyAdam

    def __init__(self, table: TransitionTable, config: IQLConfig, seeds: Sequence[int]) -> None:
        device, (states, actions) = table.rows.device, (table.observation_size, table.action_size)
        super().__init__(len(seeds), device)
        self.config = config
        self.policy = TanhPolicy(states, actions, config.policy, seeds, device)
        twins = [cpu_generator(seed, f"critic/initialization/{twin}") for seed in seeds for twin in range(2)]
        ones = [cpu_generator(seed, "value/initialization") for seed in seeds]
        self.critic_online = StackedMLP((len(seeds), 2), (states + actions, *config.hidden, 1), relu, twins, device)
        self.critic_target = frozen(self.critic_online)
        self.value = StackedMLP((len(seeds),), (states, *config.hidden, 1), relu, ones, device)
        self.critic_optimizer = StackedAdam(self.critic_online, learning_rate=config.critic_learning_rate)
        self.value_optimizer = StackedAdam(self.value, learning_rate=config.value_learning_rate)
        self.policy_optimizer = PolicyAdam(self.policy, config.policy_learning_rate)

    def update(self, batch: Batch) -> None:
        """One update of everything."""
        with torch.no_grad():
            best = self.critic_target(pairs(batch.state, batch.action))[..., 0].amin(1)  # min_j Q'_j(s, a), [K, B]
        state_value = self.value(batch.state)[..., 0]
        value_loss = expectile_loss(best - state_value, self.config.expectile).mean(-1)  # Eq. 5
        self.value_optimizer.step(self.value.gradient(value_loss.sum()))
        with torch.no_grad():
            both = self.value(torch.cat((batch.state, batch.next_state), dim=1))[..., 0]  # the new V, one pass
            here, there = both.chunk(2, dim=-1)
            advantage = best - here
        policy_loss = self.policy_loss(batch, advantage)  # Eq. 7
        self.policy_optimizer.step(policy_loss.sum())
        target = (batch.reward + self.config.discount * ~batch.terminal * there)[:, None]  # [K, 1, B]
        value = self.action_value(batch.state, batch.action)  # [K, 2, B]
        loss = (value - target).square().mean(-1).sum(-1)  # Eq. 6
        self.critic_optimizer.step(self.critic_online.gradient(loss.sum()))
        self.critic_target.follow(self.critic_online, self.config.target_rate)
        self.record(loss, value.mean(1), value_loss, state_value, policy_loss, advantage)

    def policy_loss(self, batch: Batch, advantage: Tensor) -> Tensor:
        """-exp(beta advantage) log pi(a|s), [K], from advantages [K, B].  Eq. 7."""
        weight = (self.config.inverse_temperature * advantage).exp().clamp(max=self.config.largest_weight)
        return -(weight * self.policy.log_probability(self.policy.inputs(batch.state), batch.action)).mean(-1)


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """|tau - 1(u < 0)| u^2, elementwise, whose mean the tau-expectile of u's first term minimizes.  Eq. 5."""
    return (expectile - (difference < 0.0).to(difference.dtype)).abs() * difference.square()


class IQL(OfflineAlgorithm[IQLLearner, IQLConfig]):
    """IQL for several seeds.

    Args:
        table: the data, rewards scaled.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
        reward_scale: of the table's rewards in the task's.
    """

    name = "iql"

    def __init__(
        self,
        table: TransitionTable,
        config: IQLConfig,
        seeds: Sequence[int],
        surroundings: Surroundings,
        reward_scale: float = 1.0,
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        self.learner, self._reward_scale = IQLLearner(table, config, seeds), reward_scale

    @classmethod
    def on_data(
        cls, table: TransitionTable, settings: IQLConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> Self:
        """With rewards scaled so that the episodes' returns span what the settings say."""
        scale = 1.0 if settings.return_range is None else reward_scale(table, settings.return_range)
        return cls(table.changed(reward=scale * table.reward), settings, seeds, surroundings, scale)

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> TanhAction:
        """See `OfflineAlgorithm`."""
        return saved_tanh_action(sizes, settings["policy"], state)

    def in_reward_units(self, value: Tensor, discounted_length: Tensor) -> Tensor:
        """Critics learn from scaled rewards."""
        return value / self._reward_scale

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The policy's mean."""
        return self.learner.policy.best_action(state).nan_to_num()

    def update(self) -> None:
        """One update on rows of the data."""
        self.learner.update(self.real_batch())


def reward_scale(table: TransitionTable, return_range: float, *, only_complete: bool = False) -> float:
    """What makes the episodes' returns span `return_range`; 1 where all are equal.

    Args:
        table: the data.
        return_range: best minus worst scaled return.
        only_complete: leaves out the episode that the data cut off, as O-DICE's code does and IQL's does not.

    Raises:
        InvalidArgumentError: the returns are not known.
    """
    span = table.return_range(only_complete=only_complete)
    if span is None:
        raise InvalidArgumentError("return_range is given, but the returns of the data's episodes are not known.")
    return return_range / span if span > 0.0 else 1.0
