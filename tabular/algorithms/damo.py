"""DAMO on a finite MDP, with every component exact: dual alignment maximin optimization from a sampled dataset.

Source: Zhou et al., "Dual Alignment Maximin Optimization for Offline Model-based RL" (arXiv 2502.00850, 2025),
Algorithm 1: fit the model; train a classifier of model against data transitions; alternate the critic's minimum and the
actor's maximum of Eq. 2. What stands in for the deep components:

- classifier: its optimum on counts with pseudo-counts, R = log(rho_M / rho_D), exact for the current policy;
- critic: the exact inner minimum for f = (x - 1)^2; on large MDPs its closed form, which lets ratios be negative;
- actor: a few L-BFGS iterations an epoch on the maximin value, with the exact gradient (envelope theorem).
"""

from __future__ import annotations

from dataclasses import dataclass

from ampl.errors import check_at_least, check_fraction
from ampl.interfaces import Metrics
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner, advantage_scale, positive_softmax
from tabular.alignment.maximin import ascend
from tabular.alignment.policy_objectives import AlignedModelReturn, MaximinValue
from tabular.alignment.surrogate import check_coefficient
from tabular.alignment.transition_support import TransitionSupport
from tabular.bounds.divergences import ChiSquared
from tabular.exact.policy import mix_policies
from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Policy

VARIANTS = {
    "main": "DAMO: critic and actor of Eq. 2, and both alignments",
    "no-er": "the explicit term is dropped: R = 0, no data alignment",
    "no-ir": "the implicit term is dropped: the policy maximizes its return in the model with the reward r - alpha R",
    "inconsistent": "the critic is DAMO's, but the actor maximizes Q itself, as an off-policy actor does",
}
"""What each is."""

EXACT_PAIRS = 300
"""Largest S * A for which the inner minimum is over ratios x >= 0; above it, the closed form."""


@dataclass(frozen=True, kw_only=True)
class DAMOConfig(OfflineConfig):
    """Hyperparameters of tabular DAMO."""

    alpha: float = 0.1  # coefficient of both alignments, in units of r_max
    classifier_smoothing: float = 1e-3  # pseudo-counts of each transition, so that every log ratio is finite
    actor_iterations: int = 5  # of L-BFGS an epoch
    temperature: float = 0.02  # of the inconsistent actor, in units of the largest advantage
    actor_share: float = 0.3  # of the inconsistent actor's new policy in each epoch's

    def __post_init__(self) -> None:
        super().__post_init__()
        check_coefficient(self.alpha)
        check_at_least("classifier_smoothing", self.classifier_smoothing, 1e-12, "Without it R can be infinite.")
        check_at_least("actor_iterations", self.actor_iterations, 1)
        check_at_least("temperature", self.temperature, 1e-6)
        check_fraction("actor_share", self.actor_share)


class DAMOLearner(OfflineLearner):
    """One seed of DAMO."""

    def __init__(self, mdp: FiniteMDP, config: DAMOConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, seed)
        self._config, self._variant = config, variant
        self._closed_form = mdp.reward.size > EXACT_PAIRS
        self.recorded = {"variant": variant, "closed_form": self._closed_form}
        self._unit = max(mdp.reward_bound, 1e-300)
        self._alpha = config.alpha * self._unit
        smoothed = self.counts + config.classifier_smoothing
        self._data_distribution = (smoothed / smoothed.sum()).reshape(-1, mdp.n_states)  # rho_D, [S*A, S']
        self._support: TransitionSupport | None = None

    def improve_policy(self) -> Metrics:
        """The inner minimum and a few steps of the outer maximum."""
        if self._variant == "no-ir":
            objective = AlignedModelReturn(self.support, self._alpha)
            found = ascend(objective, self.policy, self._config.actor_iterations, self._unit)
            return self._take(found.policy, self._aligned_value(found.policy), found.value)
        maximin = MaximinValue(
            self.support,
            self._alpha,
            ChiSquared(),
            data_alignment=self._variant != "no-er",
            closed_form=self._closed_form,
        )
        if self._variant == "inconsistent":
            _, solution = maximin.inner(self.policy)
            return self._take(self._soft_greedy(solution.action_value), solution.action_value, solution.value)
        found = ascend(maximin, self.policy, self._config.actor_iterations, self._unit)
        _, solution = maximin.inner(found.policy)
        return self._take(found.policy, solution.action_value, solution.value)

    @property
    def support(self) -> TransitionSupport:
        """Truth, model and data; of the truth only the reward and mu0 reach the training."""
        if self._support is None or self._support.model is not self.model:
            self._support = TransitionSupport(self.mdp, self.model, self._data_distribution)
        return self._support

    def _soft_greedy(self, value: ActionValue) -> Policy:
        greedy = positive_softmax(value / (self._config.temperature * advantage_scale(value)))
        return mix_policies(self.policy, greedy, self._config.actor_share)

    def _aligned_value(self, policy: Policy) -> ActionValue:
        """The action value in the model for the reward E[r - alpha R]."""
        occupancies = self.support.occupancies(policy)
        penalty = self.support.by_pair(self.support.model_row * occupancies.log_ratio())
        return action_value_of(self.model, policy, self.mdp.reward - self._alpha * penalty)

    def _take(self, policy: Policy, value: ActionValue, objective: float) -> Metrics:
        """(1 - discount) E[Q] at the start is what DAMO calls the value estimate."""
        estimate = (1.0 - self.mdp.discount) * self.mdp.initial @ (policy * value).sum(axis=1)
        return dict(self.change_policy(policy, value)) | {
            "policy/objective": objective,
            "critic/start_value": float(estimate),
        }


DAMO = ExactFactory(name="damo", variants=VARIANTS, published=DAMOConfig(), learner=DAMOLearner)
