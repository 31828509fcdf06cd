"""Deep MOBILE: soft actor-critic whose targets are charged for how much the models disagree about the next value.

Source: Sun et al., "Model-Bellman Inconsistency for Model-based Offline Reinforcement Learning" (ICML 2023),
Algorithm 1:

    train the dynamics models on D                                              `EnsembleDynamics.fit`
    for every epoch:
        roll the model out from states of D with the policy, into D_model       `roll_out`
        for every update, on 5 % real and 95 % model rows:
            U(s, a) = std over models i of the mean of min_j Q'_j(s', a')       `MOBILE.inconsistency`
            critics: towards r - beta U + gamma min_j Q'_j(s', a')              `MOBILELearner.bellman_target`
            policy: soft actor-critic's                                         `SoftActorCritic.improve`

The paper's U is the spread of whole Bellman estimates; as in the authors' code it is that of their next values: rewards
that the models disagree about do not count, gamma is left to beta, and real rows are charged nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from continuous.algorithms.mobile.config import MOBILEConfig
from continuous.algorithms.mobile.learner import MOBILELearner
from continuous.algorithms.model_based import ModelBasedSAC
from continuous.algorithms.mopo.penalties import known
from continuous.algorithms.offline import Surroundings
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable


class MOBILE(ModelBasedSAC[MOBILELearner, MOBILEConfig]):
    """MOBILE for several seeds.

    Args:
        table: the offline data with its own rewards.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    name = "mobile"

    def __init__(
        self, table: TransitionTable, config: MOBILEConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        sizes = (table.observation_size, table.action_size)
        self.learner = MOBILELearner(*sizes, config.learner, seeds, table.rows.device)

    def update(self) -> None:
        """One update of soft actor-critic on rewards r - beta U."""
        real, streams = self.real_rows, self.streams["updates"]
        batch = self.mixed_batch()
        noise, next_noise = self.policy_noise()
        charge = torch.zeros_like(batch.reward)
        charge[:, real:] = self.settings.penalty_weight * self.inconsistency(
            batch.state[:, real:], batch.action[:, real:], streams
        )
        self.learner.update(batch._replace(reward=batch.reward - charge), noise, next_noise)

    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The ensemble's step, and beta U."""
        next_state, reward, terminal = self.model.step(state, action, streams)
        return next_state, reward, terminal, self.settings.penalty_weight * self.inconsistency(state, action, streams)

    @torch.no_grad()
    def inconsistency(self, state: Tensor, action: Tensor, streams: SeedStreams) -> Tensor:
        """U at states [K, B, D] and actions [K, B, A], [K, B]; where it is not finite, the largest of the seed's rows.

        The standard deviation is the sample's, over the elites; each elite draws `sampled_states` next states.
        """
        mean, std = (rows[:, None, ..., 1:] for rows in self.model.elite_predictions(state, action))
        samples = (self.settings.sampled_states, *mean.shape[2:])  # n, elites, B, D
        next_state = (state[:, None, None] + torch.addcmul(mean, std, streams.normal(*samples))).flatten(1, 3)
        next_action = self.learner.policy.act(next_state, streams)
        value = self.learner.smaller_target(next_state, next_action).view(-1, *samples[:3])  # [K, n, elites, B]
        return known(value.mean(1).std(1))
