"""AMPL on a finite MDP, with every component exact: alternating model-policy learning from a sampled dataset.

Source: "A Unified Framework for Alternating Offline Model Training and Policy Learning" (NeurIPS 2022), Algorithm 1,
whose loop is `ampl.training.train`. What stands in for the deep components, and why:

- dynamics: a tied tabular class, because in the unrestricted one importance weights cancel (theory.md, section 4);
- weights: the fixed point of T (Eq. 9) on the empirical transitions of the data, normalized to mean one;
- critic: the exact action value in the model, the limit of Eqs. 12-13;
- policy: the exact maximizer of Eq. 17 with KL(pi || pi_b) as the regularizer in place of the adversarial JSD,
  pi proportional to pi_b exp(value_weight Q / mean |Q|).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import check_at_least
from ampl.interfaces import Array, Metrics
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner, positive_softmax
from tabular.exact.dynamics import maximum_likelihood
from tabular.exact.occupancy import action_value, occupancy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Weights
from tabular.weights.estimators.moments import QMoment
from tabular.weights.estimators.problem import EstimationProblem
from tabular.weights.operator import exact_weights

VARIANTS = {
    "main": "AMPL: refits are weighted (Eq. 6) by the fixed point of Eq. 9 on the data; deep AMPL is one-moment",
    "nw": "refits of the model have no weights (Eq. 4)",
    "one-moment": "the weights nearest to one that solve Eq. 10 with the critic as its one test function, negative "
    "ones set to zero",
    "exact-weights": "the weights are those of the true MDP, which no algorithm knows",
}
"""What each is."""


@dataclass(frozen=True, kw_only=True)
class AMPLConfig(OfflineConfig):
    """Hyperparameters of tabular AMPL."""

    value_weight: float = 10.0  # lambda of Eq. 17, before division by mean |Q|; dimensionless
    retrain_period: int | None = 5  # epochs between refits of the model; None: never

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("value_weight", self.value_weight, 0.0, "0 imitates the behavior policy.")


class AMPLLearner(OfflineLearner):
    """One seed of AMPL: refits use the weights (Eq. 6) or, in the ablation "nw", do not (Eq. 4)."""

    def __init__(self, mdp: FiniteMDP, config: AMPLConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, seed)
        self.retrain_period = config.retrain_period
        self._value_weight = config.value_weight
        self._variant = variant
        self.recorded = {"weighted": variant != "nw"}
        self._empirical = mdp.with_dynamics(maximum_likelihood(self.counts))

    def estimate_weights(self) -> Array:
        """w(s_i, a_i) of the data's transitions, [N], mean one."""
        match self._variant:
            case "nw":
                return super().estimate_weights()
            case "exact-weights":
                weights = exact_weights(self.mdp, self.policy, self.behavior)
            case "one-moment":
                weights = np.maximum(self._one_moment(), 0.0)
            case _:
                weights = self._fixed_point()
        rows = weights.ravel()[self.data.pair]
        return np.asarray(rows / rows.mean())

    def _fixed_point(self) -> Weights:
        """d_pi / d_b on the empirical transitions of the data, [S, A]; the fixed point of Eq. 9 there."""
        share = self.data.pair_counts() / self.data.n_transitions
        visits = occupancy(self._empirical, self.policy)
        return np.divide(visits, share, out=np.zeros_like(visits), where=share > 0)

    def _one_moment(self) -> Weights:
        """What minimizes Eq. 11 from w = 1 on, with Q of the model as the test function, [S, A]; may be negative."""
        problem = EstimationProblem.from_dataset(self.data, self.mdp.reward, self.policy, self.mdp.discount)
        return QMoment(test_function=action_value(self.model, self.policy)).estimate(problem).weights

    def improve_policy(self) -> Metrics:
        """Exact evaluation in the model, then the closed-form maximizer of Eq. 17."""
        value = action_value(self.model, self.policy)
        scale = self._value_weight / max(float(np.abs(value).mean()), 1e-300)  # lambda of Eq. 17
        return self.change_policy(positive_softmax(np.log(self.estimated_behavior) + scale * value), value)


AMPL = ExactFactory(name="ampl", variants=VARIANTS, published=AMPLConfig(), learner=AMPLLearner)
