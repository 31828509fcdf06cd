"""Behavior cloning on a finite MDP: the policy by which the data were collected, as the data show it.

pi(a | s) = N(s, a) / N(s), the maximum of the likelihood, with a share of the uniform policy so small that it keeps
every KL divergence finite and nothing else; uniform in states without data.
"""

from __future__ import annotations

from dataclasses import dataclass

from ampl.interfaces import Metrics
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner
from tabular.exact.occupancy import action_value
from tabular.mdps.mdp import FiniteMDP

VARIANTS = {"main": "the empirical policy"}
"""What each is."""


@dataclass(frozen=True, kw_only=True)
class BCConfig(OfflineConfig):
    """Hyperparameters of tabular behavior cloning; its model is used for nothing but what is recorded."""

    behavior_smoothing: float = 1e-9  # share of the uniform policy


class BCLearner(OfflineLearner):
    """One seed of behavior cloning."""

    def __init__(self, mdp: FiniteMDP, config: BCConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, seed)
        self.recorded = {"variant": variant}

    def improve_policy(self) -> Metrics:
        """Nothing is left to learn after the counts."""
        return self.change_policy(self.estimated_behavior, action_value(self.model, self.estimated_behavior))


BC = ExactFactory(name="bc", variants=VARIANTS, published=BCConfig(), learner=BCLearner)
