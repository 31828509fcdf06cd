"""Planning in the learned model, where a pair that was seen n times costs caution / sqrt(n)."""

from dataclasses import dataclass

import numpy as np

from ampl.errors import check_at_least
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner
from tabular.bounds.penalized_mdp import penalized_mdp
from tabular.exact.occupancy import action_value
from tabular.exact.policy import mix_policies, optimal_policy, uniform_policy


@dataclass(frozen=True, kw_only=True)
class PessimistConfig(OfflineConfig):
    caution: float = 0.5  # what a pair that was seen once costs, as a share of the largest reward

    def __post_init__(self):
        super().__post_init__()
        check_at_least("caution", self.caution, 0.0, "0 trusts the model.")


class Pessimist(OfflineLearner):
    def __init__(self, mdp, config, variant, seed):
        super().__init__(mdp, config, seed)
        self.recorded = {"variant": variant}
        self.weight = config.caution * mdp.reward_bound if variant == "main" else 0.0
        self.rarity = 1.0 / np.sqrt(np.maximum(self.data.pair_counts(), 1))  # [S, A]

    def improve_policy(self):
        charged = penalized_mdp(self.model, self.rarity, self.weight)
        policy = mix_policies(optimal_policy(charged), uniform_policy(charged), 0.01)
        return self.change_policy(policy, action_value(charged, policy))


PESSIMIST = ExactFactory(
    name="pessimist",
    variants={"main": "rare pairs cost reward", "trusting": "nothing is charged"},
    published=PessimistConfig(),
    learner=Pessimist,
)
