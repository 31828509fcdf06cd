"""Deep MOReL: planning in a pessimistic MDP, K seeds side by side.

Source: Kidambi et al., "MOReL: Model-Based Offline Reinforcement Learning" (NeurIPS 2020), Algorithm 1:

    train the dynamics models on D                                              `EnsembleDynamics.fit`
    the unknown pairs: where they disagree                                      `PessimisticModel.measure`
    the pessimistic MDP: unknown pairs halt, with reward -kappa                 `PessimisticModel.step`
    plan in it                                                                  `roll_out`, `SoftActorCritic.update`

The paper plans by natural policy gradient on paths of 500 steps from the data's starts; here, as in Unifloral, soft
actor-critic on branched rollouts does, and the four models are Gaussian instead of deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from ampl.interfaces import Array, Metrics
from continuous.algorithms.model_based import ModelBasedSAC
from continuous.algorithms.morel.config import MOReLConfig
from continuous.algorithms.morel.pessimistic_model import PessimisticModel
from continuous.algorithms.offline import Surroundings
from continuous.algorithms.sac.learner import SoftActorCritic
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable


class MOReL(ModelBasedSAC[SoftActorCritic, MOReLConfig]):
    """MOReL for several seeds.

    Args:
        table: the offline data with its own rewards.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    name = "morel"

    def __init__(
        self, table: TransitionTable, config: MOReLConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        sizes = (table.observation_size, table.action_size)
        self._pessimistic = PessimisticModel(self.model, table.reward.amin() - config.halt_cost)
        self.learner = SoftActorCritic(*sizes, config.learner, seeds, table.rows.device)

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """Maximum likelihood, then the threshold on the same data; it is a metric where there is one."""
        metrics = super().fit_model(weights)
        with self.computing():
            self._pessimistic.measure(self.table, self.settings.threshold_coefficient)
        thresholds = self._pessimistic.threshold.tolist()
        names = ["model/halt_threshold"] if math.isfinite(self.settings.threshold_coefficient) else []
        return [{**found, **dict.fromkeys(names, value)} for found, value in zip(metrics, thresholds, strict=True)]

    def rollout_model(self) -> PessimisticModel:
        """The pessimistic MDP."""
        return self._pessimistic

    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A step of the pessimistic MDP, and what halting took away."""
        return self._pessimistic.charged_step(state, action, streams)

    def tensors(self) -> dict[str, Tensor]:
        """The threshold, too."""
        return {**super().tensors(), "threshold": self._pessimistic.threshold}
