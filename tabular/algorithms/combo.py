"""COMBO on a finite MDP, with every component exact: conservative evaluation on a mix of data and model.

Source: Yu et al., "COMBO: Conservative Offline Model-Based Policy Optimization" (NeurIPS 2021), Eqs. 2-5. Rollouts are
as many and as long as the discounted occupancy in the model; so is the data's distribution of pairs. Rows of the batch
come from the data with probability f, and their backup is that of the counts, else that of the fitted model.

The penalty of a pair grows with the policy's own visits, so that a greedy policy flees from one pair to another for
ever. Hence the actor takes steps: pi is multiplied by exp(Q / temperature) and normalized, with a temperature of at
least `_PACE` times beta.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import check_at_least, check_fraction
from ampl.interfaces import Metrics
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.offline_learner import advantage_scale, positive_softmax
from tabular.algorithms.pessimistic_learner import PessimisticConfig, PessimisticLearner
from tabular.bounds.conservative_value import mixed_mdp
from tabular.exact.dynamics import maximum_likelihood
from tabular.exact.occupancy import occupancy, state_occupancy
from tabular.exact.policy import uniform_policy
from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Policy

VARIANTS = {
    "main": "rho, whose values are pushed down, is the model's occupancy under the policy",
    "uniform-actions": "rho has the same states with uniform actions, the paper's other choice",
}
"""What each is."""

_PACE = 2.0  # temperature of a step, in units of beta: below about 1 the steps overshoot


@dataclass(frozen=True, kw_only=True)
class COMBOConfig(PessimisticConfig):
    """Hyperparameters of tabular COMBO."""

    beta: float = 0.1  # of the conservative term, in units of r_max
    real_fraction: float = 0.5  # f, share of the data in a batch
    actor_iterations: int = 20  # an epoch

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("beta", self.beta, 0.0, "0 is not conservative at all.")
        check_fraction("real_fraction", self.real_fraction)
        check_at_least("actor_iterations", self.actor_iterations, 1)


class COMBOLearner(PessimisticLearner):
    """One seed of COMBO."""

    def __init__(self, mdp: FiniteMDP, config: COMBOConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, variant, seed)
        self._config, self._variant = config, variant
        self._empirical = mdp.with_dynamics(maximum_likelihood(self.counts))
        self._data = self.data.pair_counts() / self.data.n_transitions

    def pessimistic_value(self) -> ActionValue:
        """The fixed point of Eq. 5."""
        rollouts = occupancy(self.model, self.policy)
        pushed_down = rollouts
        if self._variant == "uniform-actions":
            pushed_down = state_occupancy(self.model, self.policy)[:, None] * uniform_policy(self.mdp)
        mixed, ratio = mixed_mdp(
            self.model, self._empirical, self._data, rollouts, self._config.real_fraction, pushed_down
        )
        return action_value_of(mixed, self.policy, self.mdp.reward - self._config.beta * self.unit * ratio)

    def improve_policy(self) -> Metrics:
        """Some steps of evaluation and improvement."""
        before, metrics = self.policy, {}
        for _ in range(self._config.actor_iterations):
            metrics = dict(super().improve_policy())
        return metrics | {"policy/largest_change": float(np.abs(self.policy - before).max())}

    def improved(self, value: ActionValue) -> Policy:
        """A step from the current policy."""
        slowest = _PACE * self._config.beta * self.unit
        return positive_softmax(np.log(self.policy) + value / max(self.temperature * advantage_scale(value), slowest))


COMBO = ExactFactory(name="combo", variants=VARIANTS, published=COMBOConfig(), learner=COMBOLearner)
