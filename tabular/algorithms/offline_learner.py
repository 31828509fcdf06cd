"""What the exact algorithms share: one seed's dataset, its model, its policy, and the truth that each epoch records.

The reward function is known, as Theorem 1 assumes. The model comes from a tied class, in which pairs of neighboring
states share a row: in the unrestricted one importance weights cancel (theory.md, section 4), and every model is exact
in the limit of much data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ampl.errors import check_at_least, check_fraction, check_positive
from ampl.interfaces import Array, Metrics, State
from ampl.randomness import stream
from ampl.return_bounds import stopped_path_bound
from tabular.bounds.return_gap import dense_pairs, split_return_gap
from tabular.bounds.theorem1 import model_policy_divergence
from tabular.exact.dataset import TransitionDataset, sample_dataset
from tabular.exact.dynamics import aggregate_states, maximum_likelihood
from tabular.exact.occupancy import action_value, expected_return, occupancy
from tabular.exact.policy import (
    epsilon_greedy_policy,
    maximum_likelihood_policy,
    mix_policies,
    optimal_policy,
    softmax_policy,
    uniform_policy,
)
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Integers, Policy, Weights
from tabular.weights.moments import weights_error
from tabular.weights.operator import exact_weights

_ABOVE_ZERO = {
    "behavior_epsilon": "Without it the data lack actions, and the weights of policies that take them are infinite.",
    "cell_share": "",
    "behavior_smoothing": "Without it a KL divergence can be infinite.",
}
_LOWEST_LOGIT = -600.0  # keeps every action's probability above zero, and so KL(pi_b || pi) finite


@dataclass(frozen=True, kw_only=True)
class OfflineConfig:
    """The data and the model class, the same for every exact algorithm."""

    n_transitions: int = 10_000  # N, rows of the offline dataset
    behavior_epsilon: float = 0.5  # the behavior policy: uniform with this probability, else optimal
    cell_share: float = 0.5  # cells of tied states as a share of all states, in (0, 1]
    smoothing: float = 1e-3  # pseudo-counts of each next state, so that every KL divergence is finite
    behavior_smoothing: float = 1e-2  # share of the uniform policy in the estimated behavior policy

    def __post_init__(self) -> None:
        check_at_least("n_transitions", self.n_transitions, 1)
        for name, hint in _ABOVE_ZERO.items():
            check_fraction(name, getattr(self, name))
            check_positive(name, getattr(self, name), hint)
        check_at_least("smoothing", self.smoothing, 1e-12, "Without it a KL divergence can be infinite.")


class OfflineLearner(ABC):
    """One seed of an exact algorithm; subclasses say how the policy improves.

    Args:
        mdp: the true MDP, dense.
        config: data and model class.
        seed: of the dataset.

    Attributes:
        mdp: the truth, used for the reward, the data and the evaluation alone.
        behavior: pi_b, which collected the data, [S, A].
        estimated_behavior: pi_b as the data show it, [S, A], positive everywhere.
        data: the offline dataset.
        model: the fitted MDP; before the first fit, the empirical one.
        policy: [S, A].
        weights: of the last fit, [S, A].
        retrain_period: epochs between two weighted refits; None: never.
        recorded: what config.json has beside the settings, as JSON values.
    """

    retrain_period: int | None = None
    recorded: Mapping[str, Any]

    def __init__(self, mdp: FiniteMDP, config: OfflineConfig, seed: int) -> None:
        self.mdp = mdp
        self._best = optimal_policy(mdp)
        self.behavior = behavior_policy(mdp, config.behavior_epsilon)
        self._dense = dense_pairs(occupancy(mdp, self.behavior))
        self.data: TransitionDataset = sample_dataset(mdp, self.behavior, config.n_transitions, stream(seed, "dataset"))
        self.estimated_behavior = mix_policies(
            maximum_likelihood_policy(self.data.pair_counts()), uniform_policy(mdp), config.behavior_smoothing
        )
        self.counts: Integers = self.data.transition_counts()
        self.cells = tied_cells(mdp, config.cell_share)
        self._smoothing = config.smoothing
        self.model: FiniteMDP = mdp.with_dynamics(maximum_likelihood(self.counts))
        self.policy: Policy = self.estimated_behavior
        self.weights: Weights = np.ones_like(self.policy)

    def fit_model(self, weights: Array | None) -> Metrics:
        """(Weighted) maximum likelihood in the tied class.  Source: AMPL, Eqs. 4 and 6."""
        self.weights = np.ones_like(self.policy) if weights is None else self._by_pair(weights)
        fitted = maximum_likelihood(self.counts, self.weights, self.cells, smoothing=self._smoothing)
        self.model = self.mdp.with_dynamics(fitted)
        rows = self.model.pair_dynamics[self.data.pair, self.data.next_state]
        loss = -np.mean(self.weights.ravel()[self.data.pair] * np.log(rows))
        return {"model/training_loss_nats": float(loss)}

    def estimate_weights(self) -> Array:
        """One weight a transition, [N], mean one; ones unless the algorithm has better."""
        return np.ones(self.data.n_transitions)

    @abstractmethod
    def improve_policy(self) -> Metrics:
        """One epoch of the algorithm's own."""

    def evaluate(self) -> Metrics:
        """Exact returns, Theorem 1's divergence, the lower bound, how far the weights are off, and the gap's parts."""
        in_model = expected_return(self.model, self.policy)
        parts = model_policy_divergence(self.mdp, self.model, self.policy, self.behavior)
        bound = stopped_path_bound(parts.model_part, self.mdp.discount, self.mdp.reward_bound)
        exact = exact_weights(self.mdp, self.policy, self.behavior)
        off = weights_error(self.weights, exact, occupancy(self.mdp, self.behavior))
        gap = split_return_gap(self.mdp, self.model, self.policy, self._best, self._dense)
        return {
            "evaluation/return_mean": expected_return(self.mdp, self.policy),
            "evaluation/return_in_model": in_model,
            "evaluation/divergence_model_nats": parts.model_part,
            "evaluation/divergence_policy_nats": parts.policy_part,
            "evaluation/bound": bound,
            "evaluation/lower_bound": in_model - bound,
            "evaluation/weights_error_l1": off["l1"],
            "evaluation/gap_optimization": gap.optimization,
            "evaluation/gap_dense": gap.dense,
            "evaluation/gap_sparse": gap.sparse,
        }

    def state(self) -> State:
        """Model, policy and weights; the dataset is drawn again from the seed."""
        return {"model": self.model.dynamics, "policy": self.policy, "weights": self.weights}

    def load_state(self, state: State) -> None:
        """Inverse of `state`."""
        self.model = self.mdp.with_dynamics(state["model"])
        self.policy, self.weights = state["policy"], state["weights"]

    def change_policy(self, policy: Policy, value: ActionValue) -> Metrics:
        """Takes over a policy; how much it changed, and the critic's mean value over the data, in reward units."""
        before, self.policy = self.policy, policy
        return {
            "critic/value_mean": float(value.ravel()[self.data.pair].mean()),
            "policy/largest_change": float(np.abs(policy - before).max()),
        }

    def _by_pair(self, rows: Array) -> Weights:
        """Weights of transitions, [N], as weights of pairs, [S, A]; zero for pairs without data."""
        table = np.zeros(self.policy.size)
        table[self.data.pair] = rows
        return table.reshape(self.policy.shape)


def behavior_policy(mdp: FiniteMDP, epsilon: float) -> Policy:
    """The policy that collects the data: uniform with probability epsilon, otherwise optimal, [S, A]."""
    return epsilon_greedy_policy(action_value(mdp, optimal_policy(mdp)), epsilon)


def positive_softmax(logits: Floats) -> Policy:
    """A softmax policy in which no probability is zero, however far apart the logits are, [S, A]."""
    return softmax_policy(np.maximum(logits - logits.max(axis=1, keepdims=True), _LOWEST_LOGIT))


def tied_cells(mdp: FiniteMDP, share: float) -> Integers:
    """Neighboring states tied into about share * S cells, action by action, [S, A]; absorbing states stay apart."""
    cells = aggregate_states(mdp.n_states, mdp.n_actions, max(1, round(share * mdp.n_states)))
    apart = np.flatnonzero(mdp.absorbing)
    cells[apart] = cells.max() + 1 + np.arange(len(apart))[:, None]
    return cells


def advantage_scale(value: ActionValue) -> float:
    """How much an action can matter: the largest max Q - min Q of a state, in reward units."""
    return max(float(np.ptp(value, axis=1).max()), 1e-300)
