"""Soft actor-critic with conservative critics: values of any actions are pushed down, those of the data's actions up.

    Q_j:  min  beta (E_s[log sum_a exp Q_j(s, a)] - E_D[Q_j(s, a)]) + E[(Q_j - y)^2]
          y = r + gamma min_j Q'_j(s', a'),   a' ~ pi(s')

Source: Kumar et al., "Conservative Q-Learning for Offline Reinforcement Learning" (NeurIPS 2020), Eq. 4 with the
entropy as its regularizer, CQL(H), and appendix F for the sum over actions: it is estimated by importance sampling with
actions of pi(s), of pi(s') and uniform ones. There s is of the data; COMBO (2021), Eq. 3, takes s of data and model.
As in CQL's code the target has no entropy, and the squared error is not halved, as it is in the papers' equations: the
published betas belong to that code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ampl.errors import check_at_least
from continuous.algorithms.sac.learner import METRICS, SoftActorCritic, SoftActorCriticConfig
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch

_LOG_2 = math.log(2.0)


@dataclass(frozen=True, kw_only=True)
class ConservativeConfig(SoftActorCriticConfig):
    """Hyperparameters of soft actor-critic and of its conservative critics."""

    conservative_weight: float  # beta >= 0
    sampled_actions: int = 10  # n of each kind that estimate the sum over actions

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("conservative_weight", self.conservative_weight, 0.0, "0 is soft actor-critic.")
        check_at_least("sampled_actions", self.sampled_actions, 1)


class ActionDraws(NamedTuple):
    """What n actions of each kind are made from at B states, [K, B, n, A] each."""

    noise: Tensor  # standard normal, of pi(s)
    next_noise: Tensor  # likewise, of pi(s')
    uniform: Tensor  # actions in [-1, 1]


class ConservativeLearner(SoftActorCritic):
    """Policy, conservative twin critics and temperature of K seeds; arguments as of `SoftActorCritic`."""

    metrics = (*METRICS, "critic/conservative_gap")
    entropy_in_target = False
    config: ConservativeConfig

    def draw_actions(self, streams: SeedStreams, rows: int) -> ActionDraws:
        """For `rows` states."""
        count, size = self.config.sampled_actions, self.policy.action_size
        noise, next_noise = streams.normal(2 * rows, count, size).chunk(2, dim=1)
        return ActionDraws(noise, next_noise, 2.0 * streams.uniform(rows, count, size) - 1.0)

    def update_conservatively(
        self, batch: Batch, noise: Tensor, next_noise: Tensor, draws: ActionDraws, *, data_rows: int, first: int = 0
    ) -> None:
        """One update of everything.

        Args:
            batch: transitions, [K, B, ...], those of the data first.
            noise: standard normal, for the policy's actions at s, [K, B, A].
            next_noise: likewise, at s'.
            draws: for the actions whose values are pushed down, at the states from row `first` on.
            data_rows: of the batch, >= 1: what is pushed up.
            first: of the rows whose states' values are pushed down.
        """
        target = self.bellman_target(batch, next_noise)[:, None]  # [K, 1, B]
        value, gap = self.values_and_gap(batch, draws, data_rows, first)
        loss = (value - target).square().mean(-1) + self.conservative_cost(gap)  # [K, 2]
        self.critic_optimizer.step(self.critic_online.gradient(loss.sum()))
        self.record(loss.mean(-1), *self.improve(batch.state, noise), gap.mean(-1))

    def conservative_cost(self, gap: Tensor) -> Tensor:
        """What the critics' loss has of the gap, both [K, 2]."""
        return self.config.conservative_weight * gap

    def values_and_gap(self, batch: Batch, draws: ActionDraws, data_rows: int, first: int) -> tuple[Tensor, Tensor]:
        """Both twins at the batch, [K, 2, B], and how much larger they are where pushed down than where up, [K, 2]."""
        pushed = Batch(*(column[:, first:] for column in batch))
        actions, log_density = self.importance_samples(pushed, draws)  # [K, B', 3n, A] and [K, B', 3n]
        count = actions.shape[2]
        states = torch.cat((batch.state, pushed.state.repeat_interleave(count, dim=1)), dim=1)
        both = self.action_value(states, torch.cat((batch.action, actions.flatten(1, 2)), dim=1))  # one pass for both
        value, sampled = both.tensor_split([batch.state.shape[1]], dim=-1)
        down = (sampled.view(*sampled.shape[:2], -1, count) - log_density[:, None]).logsumexp(-1).mean(-1)
        return value, down - value[..., :data_rows].mean(-1)

    @torch.no_grad()
    def importance_samples(self, batch: Batch, draws: ActionDraws) -> tuple[Tensor, Tensor]:
        """Actions of all three kinds and the logs of their densities, nats."""
        here, here_log = self.policy.sample_with_log_probability(batch.state, draws.noise)
        there, there_log = self.policy.sample_with_log_probability(batch.next_state, draws.next_noise)
        anywhere_log = torch.full_like(here_log, -_LOG_2 * self.policy.action_size)
        actions = torch.cat((here, there, draws.uniform), dim=2)
        return actions, torch.cat((here_log, there_log, anywhere_log), dim=2)
