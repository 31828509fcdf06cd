"""RAMBO on a finite MDP, with both players exact: the model turns against the policy as far as the data let it.

Source: Rigter et al., "RAMBO-RL: Robust Adversarial Model-Based Offline Reinforcement Learning" (NeurIPS 2022). The
paper's set of models is E_D[TV(P_hat, P)^2] <= xi, a budget that all pairs share. Here it is dealt out to the pairs
first (`tabular/bounds/robust_value.py` says what that makes exact). States in which episodes have ended are certain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import check_at_least
from tabular.algorithms.exact_algorithm import ExactFactory
from tabular.algorithms.pessimistic_learner import PessimisticConfig, PessimisticLearner
from tabular.bounds.robust_value import worst_model
from tabular.exact.occupancy import action_value
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats

VARIANTS = {
    "main": "each cell of pairs with data gets an equal share of xi: within the paper's set where there are data",
    "whole-budget": "each pair gets all of xi: the smallest rectangular set around the paper's",
}
"""What each is."""


@dataclass(frozen=True, kw_only=True)
class RAMBOConfig(PessimisticConfig):
    """Hyperparameters of tabular RAMBO."""

    budget: float = 0.25  # xi N / pairs with data: at an equal share, TV <= sqrt(budget / n) for n rows of the pair

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("budget", self.budget, 0.0, "0 leaves the model as it was fitted.")


class RAMBOLearner(PessimisticLearner):
    """One seed of RAMBO."""

    def __init__(self, mdp: FiniteMDP, config: RAMBOConfig, variant: str, seed: int) -> None:
        super().__init__(mdp, config, variant, seed)
        rows = np.zeros(int(self.cells.max()) + 1)
        np.add.at(rows, self.cells.ravel(), self.counts.sum(axis=2).ravel())
        shares = np.count_nonzero(rows) if variant == "whole-budget" else 1
        n_rows = rows[self.cells]
        self.radius: Floats = np.sqrt(np.minimum(config.budget * shares / np.maximum(n_rows, 1e-300), 1.0))
        self.radius[mdp.absorbing] = 0.0

    def pessimistic_value(self) -> ActionValue:
        """The action value in the model in which the policy earns least."""
        return action_value(worst_model(self.model, self.radius, self.policy), self.policy)


RAMBO = ExactFactory(name="rambo", variants=VARIANTS, published=RAMBOConfig(), learner=RAMBOLearner)
