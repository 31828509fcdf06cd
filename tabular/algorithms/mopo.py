"""MOPO on a finite MDP, with every component exact: model-based policy optimization with a reward penalty.

Source: "MOPO: Model-based Offline Policy Optimization" (NeurIPS 2020), Algorithms 1 and 2. Its pseudo-code is three
lines: fit the model; subtract lambda u(s, a) from the reward; optimize the policy in the penalized MDP. What stands in
for the deep components:

- u, as `VARIANTS` says. In the mean the L1 error of n-sample frequencies is at most the u of main, which does not see
  what the tied class cannot represent; that of true-penalty is admissible.
- lambda: a share of discount * c, c half the range of the optimal values in the model, which is known without the
  truth. Section 4's guarantee needs an admissible u and a c that serves the true values of every policy, as
  r_max / (1 - discount) does; c may be smaller than that, and then the guarantee is not given at any share up to 1.
- policy: one step of exact soft policy iteration an epoch, the limit of SAC at a small temperature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import check_at_least
from ampl.interfaces import Array, Metrics, State
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner, advantage_scale, positive_softmax
from tabular.algorithms.uncertainty import bootstrap_disagreement, spread_by_counts
from tabular.bounds.integral_metrics import L1Distance
from tabular.bounds.penalized_mdp import mean_uncertainty, penalized_mdp, penalized_return
from tabular.exact.occupancy import action_value, state_value
from tabular.exact.policy import optimal_policy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats

VARIANTS = {
    "main": "u is sqrt(k / n), for n rows of the pair's cell with k different next states",
    "ensemble": "u is the largest L1 distance of a bootstrap model's rows from the ensemble's mean",
    "true-penalty": "u is the true L1 error of the model",
    "no-penalty": "MBPO: nothing is subtracted from the reward",
}
"""What each is."""


@dataclass(frozen=True, kw_only=True)
class MOPOConfig(OfflineConfig):
    """Hyperparameters of tabular MOPO."""

    penalty_share: float = 0.1  # lambda as a share of discount * c, c half the range of the model's optimal values
    n_members: int = 7  # of the ensemble, as in the paper
    temperature: float = 0.02  # of the policy, in units of the largest advantage

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("penalty_share", self.penalty_share, 0.0, "0 is MBPO.")
        check_at_least("n_members", self.n_members, 2, "One model cannot disagree with itself.")
        check_at_least("temperature", self.temperature, 1e-6)


class MOPOLearner(OfflineLearner):
    """One seed of MOPO."""

    def __init__(self, mdp: FiniteMDP, config: MOPOConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, seed)
        self._config, self._variant, self._seed = config, variant, seed
        self.recorded = {"uncertainty": variant}
        self.uncertainty: Floats = np.zeros_like(self.policy)
        self.penalty_weight = 0.0

    def fit_model(self, weights: Array | None) -> Metrics:
        """Maximum likelihood, then u and lambda, which stay as they are."""
        metrics = super().fit_model(weights)
        self.uncertainty = self._estimate_uncertainty()
        best = state_value(self.model, optimal_policy(self.model))
        share = 0.0 if self._variant == "no-penalty" else self._config.penalty_share
        self.penalty_weight = share * self.mdp.discount * L1Distance(centered=True).norm(best)
        return dict(metrics) | {"model/uncertainty_mean": float(self.uncertainty.ravel()[self.data.pair].mean())}

    def improve_policy(self) -> Metrics:
        """Exact evaluation in the penalized MDP, and the softmax of its action values."""
        value = action_value(penalized_mdp(self.model, self.uncertainty, self.penalty_weight), self.policy)
        return self.change_policy(positive_softmax(value / (self._config.temperature * advantage_scale(value))), value)

    def evaluate(self) -> Metrics:
        """Beside the truth: the penalized return, which MOPO takes for a lower bound, and E[u] in the model."""
        return dict(super().evaluate()) | {
            "evaluation/penalized_return": penalized_return(
                self.model, self.uncertainty, self.penalty_weight, self.policy
            ),
            "evaluation/uncertainty_mean": mean_uncertainty(self.model, self.uncertainty, self.policy),
        }

    def state(self) -> State:
        """With u and lambda."""
        return dict(super().state()) | {
            "uncertainty": self.uncertainty,
            "penalty_weight": np.array(self.penalty_weight),
        }

    def load_state(self, state: State) -> None:
        """Inverse of `state`."""
        super().load_state(state)
        self.uncertainty, self.penalty_weight = state["uncertainty"], float(state["penalty_weight"])

    def _estimate_uncertainty(self) -> Floats:
        if self._variant == "true-penalty":
            return L1Distance().distance(self.mdp, self.model)
        if self._variant == "ensemble":
            return bootstrap_disagreement(
                self.counts, self.cells, self._config.n_members, self._config.smoothing, self._seed
            )
        return spread_by_counts(self.counts, self.cells)


MOPO = ExactFactory(name="mopo", variants=VARIANTS, published=MOPOConfig(), learner=MOPOLearner)
