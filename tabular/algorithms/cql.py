"""CQL on a finite MDP, with every component exact: conservative policy evaluation on the data, and improvement.

Source: Kumar et al., "Conservative Q-Learning for Offline Reinforcement Learning" (NeurIPS 2020). The Bellman backup is
that of the counts, pair by pair. What stands in for the deep components:

- critic: the fixed point of the loss's minimum, Eqs. 1, 2 or 4 (`tabular/bounds/conservative_value.py`);
- policy: for Eq. 4 the softmax of Q at that equation's temperature (1 in the paper, whose rewards are larger), so that
  Theorem 3.3's condition is met; for Eqs. 1 and 2 with mu = pi, where Q punishes the policy it was evaluated for, the
  maximizer of Theorem 3.5's objective, state by state. These two differ in what they say of its value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import check_at_least
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.offline_learner import positive_softmax
from tabular.algorithms.pessimistic_learner import PessimisticConfig, PessimisticLearner
from tabular.bounds.conservative_value import action_ratio, chi_squared_improvement, entropic_value
from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Policy

VARIANTS = {
    "main": "CQL(H), Eq. 4: Q = B Q - alpha (softmax(Q) / pi_b - 1)",
    "eq1": "Eq. 1 with mu = pi: Q = B Q - alpha pi / pi_b is below the true Q at every pair",
    "eq2": "Eq. 2 with mu = pi: Q = B Q - alpha (pi / pi_b - 1) is below the true value at every state only",
}
"""What each is."""


@dataclass(frozen=True, kw_only=True)
class CQLConfig(PessimisticConfig):
    """Hyperparameters of tabular CQL."""

    alpha: float = 0.05  # of the conservative term, in units of r_max
    temperature: float = 0.01  # of the policy and of the softmax in Eq. 4, in units of r_max
    cell_share: float = 1.0  # no ties: the backup is that of the counts
    behavior_smoothing: float = 1e-2  # share of the uniform policy in pi_b, so that pi / pi_b is finite

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("alpha", self.alpha, 1e-9, "A tiny one is hardly conservative.")
        check_at_least("behavior_smoothing", self.behavior_smoothing, 1e-9, "Without it CQL's penalty is infinite.")


class CQLLearner(PessimisticLearner):
    """One seed of CQL."""

    def __init__(self, mdp: FiniteMDP, config: CQLConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, variant, seed)
        self._variant = variant
        self._alpha, self._softness = config.alpha * self.unit, config.temperature * self.unit

    def pessimistic_value(self) -> ActionValue:
        """The fixed point of the variant's Bellman backup."""
        if self._variant == "main":
            return entropic_value(self.model, self.policy, self.estimated_behavior, self._alpha, self._softness)
        return action_value_of(self.model, self.policy, self.mdp.reward - self._penalty())

    def improved(self, value: ActionValue) -> Policy:
        """See the module."""
        if self._variant == "main":
            return positive_softmax(value / self._softness)
        best = chi_squared_improvement(value + self._penalty(), self.estimated_behavior, self._alpha)
        return positive_softmax(np.log(np.maximum(best, 1e-300)))

    def _penalty(self) -> ActionValue:
        offset = 1.0 if self._variant == "eq2" else 0.0
        return self._alpha * (action_ratio(self.policy, self.estimated_behavior) - offset)


CQL = ExactFactory(name="cql", variants=VARIANTS, published=CQLConfig(), learner=CQLLearner)
