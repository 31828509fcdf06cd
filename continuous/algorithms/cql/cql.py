"""Deep CQL: soft actor-critic on the data with conservative critics, K seeds side by side.

Source: Kumar et al., "Conservative Q-Learning for Offline Reinforcement Learning" (NeurIPS 2020), Algorithm 1:

    Q_j:  min  alpha (E_s[soft maximum of Q_j(s, .)] - E_D[Q_j(s, a)]) + Bellman errors     `ConservativeLearner`
          CQL(H): log sum_a exp Q_j(s, a);   CQL(rho): log E_{a ~ pi(s)}[exp Q_j(s, a)]
    alpha:  max  alpha (gap - tau)                                                          appendix F, "lagrange"
    pi:   soft actor-critic's

The paper's CQL(rho) has the exponentially weighted average of Q that CQL(rho)'s logarithm has as its slope. The loop
is `ampl.training.train`'s. Its claim is that values are conservative: every evaluation has the critics' estimate from
the starts of its episodes, and the discounted return from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ampl.interfaces import State
from continuous.algorithms.cql.config import CQLConfig, CQLLearnerConfig
from continuous.algorithms.cql.learner import ActionDraws, ConservativeLearner
from continuous.algorithms.offline import OfflineAlgorithm, Surroundings
from continuous.algorithms.sac.policy import saved_best_action
from continuous.networks.acting import BestAction
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import FlatParameters
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, TransitionTable

_LARGEST_WEIGHT = 1e6  # of the official code


class CQLLearner(ConservativeLearner):
    """Policy, conservative critics, temperature, and the learned alpha of K seeds; arguments as of `SoftActorCritic`.

    Attributes:
        trained_weight: log alpha, [K]; None where it is held.
    """

    config: CQLLearnerConfig

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: CQLLearnerConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(observation_size, action_size, config, seeds, device)
        self.trained_weight: FlatParameters | None = None
        if config.gap_threshold is not None:
            self.trained_weight = FlatParameters((len(seeds),), {"log_weight": (1,)}, device)
            rate = config.conservative_learning_rate
            self.weight_optimizer = StackedAdam(self.trained_weight, learning_rate=rate)

    @property
    def levels(self) -> Mapping[str, Tensor]:
        """The learned alpha."""
        return {} if self.trained_weight is None else {"critic/conservative_weight": self._weight()}

    def conservative_cost(self, gap: Tensor) -> Tensor:
        """alpha gap, or alpha (gap - tau) and one step of alpha up it, which begins at one."""
        if self.trained_weight is None or self.config.gap_threshold is None:
            return super().conservative_cost(gap)
        excess, weight = gap - self.config.gap_threshold, self._weight()
        self.weight_optimizer.step([-(weight * excess.detach().mean(-1))[:, None]])  # by log alpha
        return weight[:, None] * excess

    def importance_samples(self, batch: Batch, draws: ActionDraws) -> tuple[Tensor, Tensor]:
        """Actions of all kinds and their densities, or those of the policy alone, alike."""
        if self.config.pushes_everywhere:
            return super().importance_samples(batch, draws)
        with torch.no_grad():
            actions, log_density = self.policy.sample_with_log_probability(batch.state, draws.noise)
        return actions, torch.zeros_like(log_density)

    def _weight(self) -> Tensor:
        """alpha where it is learned, [K], without gradient; a copy."""
        assert self.trained_weight is not None
        return self.trained_weight.views["log_weight"].detach()[:, 0].exp().clamp(max=_LARGEST_WEIGHT)


class CQL(OfflineAlgorithm[CQLLearner, CQLConfig]):
    """CQL for several seeds; arguments as of `OfflineAlgorithm`."""

    name = "cql"

    def __init__(
        self, table: TransitionTable, config: CQLConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        sizes = (table.observation_size, table.action_size)
        self.learner = CQLLearner(*sizes, config.learner, seeds, table.rows.device)

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> BestAction:
        """See `OfflineAlgorithm`."""
        return saved_best_action(sizes, settings["learner"]["policy"], state)

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The policy's mean."""
        return self.learner.policy.best_action(state).nan_to_num()

    def update(self) -> None:
        """One update on rows of the data."""
        streams, rows = self.streams["updates"], self.schedule.batch_size
        batch = self.real_batch()
        noise, next_noise = self.learner.policy.noise(streams, 2 * rows).chunk(2, dim=1)  # one kernel a seed on a GPU
        draws = self.learner.draw_actions(streams, rows)
        self.learner.update_conservatively(batch, noise, next_noise, draws, data_rows=rows)
