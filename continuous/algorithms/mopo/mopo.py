"""Deep MOPO: soft actor-critic on data and penalized rollouts of the model, K seeds side by side.

Source: "MOPO: Model-based Offline Policy Optimization" (NeurIPS 2020), Algorithm 2:

    train N dynamics models on D_env                                            `EnsembleDynamics.fit`
    for every epoch:
        from states of D_env, for h steps: a ~ pi(s), (s', r) ~ a random model
        add (s, a, r - lambda u(s, a), s') to D_model                           `PenalizedModel`, `roll_out`
        soft actor-critic on batches of D_env and D_model                       `SoftActorCritic.update`

The loop is `ampl.training.train`'s. MBPO is the same with lambda = 0. A path of the model that ends hands its place
over to a new one from the data, where the released code drops the row; either way nothing after an end is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ampl.interfaces import Policy as ActingPolicy
from continuous.algorithms.model_based import ModelBasedSAC
from continuous.algorithms.mopo.config import MOPOConfig
from continuous.algorithms.mopo.penalties import PenalizedModel
from continuous.algorithms.offline import Surroundings
from continuous.algorithms.sac.learner import SoftActorCritic
from continuous.model.rollout import UniformPolicy
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable


class MOPO(ModelBasedSAC[SoftActorCritic, MOPOConfig]):
    """MOPO for several seeds.

    Args:
        table: the offline data with its own rewards.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine; with T for the penalty by the true error.

    Raises:
        InvalidArgumentError: the true error without T.
    """

    name = "mopo"

    def __init__(
        self, table: TransitionTable, config: MOPOConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(table, config, seeds, surroundings)
        self.charge_waits = config.needs_true_step
        sizes = (table.observation_size, table.action_size)
        self._penalized = PenalizedModel(self.model, config.penalty, config.penalty_weight, surroundings.true_step)
        self.learner = SoftActorCritic(*sizes, config.learner, seeds, table.rows.device)

    def rollout_model(self) -> PenalizedModel:
        """The ensemble with its penalty."""
        return self._penalized

    def rollout_policy(self) -> ActingPolicy:
        """The policy, or uniform actions."""
        return UniformPolicy(self.table.action_size) if self.settings.random_rollout_actions else self.learner.policy

    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The ensemble's step, and lambda u."""
        return self._penalized.charged_step(state, action, streams)
