"""AMPL on a finite MDP, with every component exact: alternating model-policy learning from a sampled dataset.

Source: "A Unified Framework for Alternating Offline Model Training and Policy Learning" (NeurIPS 2022), Algorithm 1,
whose loop is `ampl.training.train`. What stands in for the deep components, and why:

- dynamics: a tied tabular class, because in the unrestricted one importance weights cancel (theory.md, section 4);
- weights: the fixed point of T (Eq. 9) on the empirical transitions of the data, normalized to mean one;
- critic: the exact action value in the model, the limit of Eqs. 12-13;
- policy: the exact maximizer of Eq. 17 with KL(pi || pi_b) as the regularizer in place of the adversarial JSD,
  pi proportional to pi_b exp(value_weight Q / mean |Q|).

The reward function is known, as Theorem 1 assumes. Beside what a deep run can measure, each epoch records the truth:
the return in the true MDP, Theorem 1's divergence and the lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ampl.errors import check_at_least
from ampl.interfaces import Array, Metrics, State
from ampl.randomness import stream
from tabular.dataset import TransitionDataset, sample_dataset
from tabular.dynamics import aggregate_states, maximum_likelihood
from tabular.mdp import FiniteMDP
from tabular.moments import weights_error
from tabular.occupancy import action_value, expected_return, occupancy
from tabular.policy import (
    epsilon_greedy_policy,
    maximum_likelihood_policy,
    mix_policies,
    optimal_policy,
    softmax_policy,
    uniform_policy,
)
from tabular.theorem1 import model_policy_divergence, stopped_path_bound
from tabular.types import DenseDynamics, Integers, Policy, Weights
from tabular.weights import exact_weights

_LOWEST_LOGIT = -600.0  # keeps every action's probability above zero, and so KL(pi_b || pi) finite


@dataclass(frozen=True, kw_only=True)
class AMPLConfig:
    """Hyperparameters of tabular AMPL."""

    n_transitions: int = 10_000  # N, rows of the offline dataset
    behavior_epsilon: float = 0.5  # the behavior policy: uniform with this probability, else optimal
    value_weight: float = 10.0  # lambda of Eq. 17, before division by mean |Q|; dimensionless
    cell_share: float = 0.5  # cells of tied states as a share of all states, in (0, 1]
    smoothing: float = 1e-3  # pseudo-counts of each next state, so that every KL divergence is finite
    behavior_smoothing: float = 1e-2  # share of the uniform policy in the estimated behavior policy
    retrain_period: int | None = 5  # epochs between refits of the model; None: never

    def __post_init__(self) -> None:
        check_at_least("n_transitions", self.n_transitions, 1)
        check_at_least("value_weight", self.value_weight, 0.0, "0 imitates the behavior policy.")
        check_at_least("smoothing", self.smoothing, 1e-12, "Without it a KL divergence can be infinite.")


class TabularAMPL:
    """AMPL for several seeds; an `ampl.interfaces.Algorithm`.

    Args:
        mdp: the true MDP, dense.
        seeds: one dataset each.
        config: hyperparameters.
        weighted: whether refits use the weights (Eq. 6) or not (Eq. 4, the ablation "nw").
    """

    name = "ampl"
    device = "cpu"
    dataset_sha256 = None
    steps_per_epoch = 1  # an exact policy evaluation and improvement

    def __init__(self, mdp: FiniteMDP, seeds: Sequence[int], config: AMPLConfig, *, weighted: bool) -> None:
        self.seeds = tuple(seeds)
        self.retrain_period = config.retrain_period
        self._mdp = mdp
        self._config = config
        self._weighted = weighted
        behavior = behavior_policy(mdp, config.behavior_epsilon)
        self._learners = [_Learner(mdp, behavior, config, weighted, seed) for seed in seeds]

    def config(self) -> Mapping[str, Any]:
        """Every hyperparameter, with the discount and whether refits are weighted."""
        return asdict(self._config) | {"discount": self._mdp.discount, "weighted": self._weighted}

    def notes(self) -> Sequence[str]:
        """None: the exact wing is never scaled down."""
        return ()

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """(Weighted) maximum likelihood in the tied class.  Eqs. 4 and 6."""
        given = [None] * len(self.seeds) if weights is None else weights
        return [learner.fit_model(rows) for learner, rows in zip(self._learners, given, strict=True)]

    def estimate_weights(self) -> Sequence[Array]:
        """One weight a transition, mean one; all ones for the unweighted variant.  Eq. 9."""
        return [learner.estimate_weights() for learner in self._learners]

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        """Exact evaluation in the model, then the closed-form maximizer of Eq. 17."""
        return [learner.improve_policy() for learner in self._learners]

    def evaluate(self, episodes: int | None = None) -> Sequence[Metrics]:
        """Exact returns, Theorem 1's divergence, and the lower bound; no episodes are run."""
        return [learner.evaluate() for learner in self._learners]

    def state(self, index: int) -> State:
        """Model and policy; the dataset is drawn again from the seed."""
        learner = self._learners[index]
        return {"model": learner.model.dynamics, "policy": learner.policy, "weights": learner.weights}

    def load_state(self, index: int, state: State) -> None:
        """Inverse of `state`."""
        self._learners[index].load(state["model"], state["policy"], state["weights"])


def behavior_policy(mdp: FiniteMDP, epsilon: float) -> Policy:
    """The policy that collects the data: uniform with probability epsilon, otherwise optimal, [S, A]."""
    return epsilon_greedy_policy(action_value(mdp, optimal_policy(mdp)), epsilon)


class _Learner:
    """One seed: its dataset, model, weights and policy."""

    def __init__(self, mdp: FiniteMDP, behavior: Policy, config: AMPLConfig, weighted: bool, seed: int) -> None:
        self._mdp, self._behavior, self._config, self._weighted = mdp, behavior, config, weighted
        self._data: TransitionDataset = sample_dataset(mdp, behavior, config.n_transitions, stream(seed, "dataset"))
        counts = self._data.pair_counts()
        self._estimated_behavior = mix_policies(
            maximum_likelihood_policy(counts), uniform_policy(mdp), config.behavior_smoothing
        )
        self._empirical = mdp.with_dynamics(maximum_likelihood(self._data.transition_counts()))
        self._cells = tied_cells(mdp, config.cell_share)
        self.policy: Policy = self._estimated_behavior
        self.weights: Weights = np.ones_like(self.policy)
        self.model: FiniteMDP = self._empirical

    def fit_model(self, weights: Array | None) -> Metrics:
        self.weights = np.ones_like(self.policy) if weights is None else self._by_pair(weights)
        fitted = maximum_likelihood(
            self._data.transition_counts(), self.weights, self._cells, smoothing=self._config.smoothing
        )
        self.model = self._mdp.with_dynamics(fitted)
        rows = self.model.pair_dynamics[self._data.pair, self._data.next_state]
        loss = -np.mean(self.weights.ravel()[self._data.pair] * np.log(rows))
        return {"model/weighted_loss_nats": float(loss)}

    def estimate_weights(self) -> Array:
        """w(s_i, a_i) = d_pi / d_b on the empirical transitions, [N], mean one; the fixed point of Eq. 9 there."""
        if not self._weighted:
            return np.ones(self._data.n_transitions)
        share = self._data.pair_counts() / self._data.n_transitions
        visits = occupancy(self._empirical, self.policy)
        ratio = np.divide(visits, share, out=np.zeros_like(visits), where=share > 0)
        rows = ratio.ravel()[self._data.pair]
        return rows / rows.mean()

    def improve_policy(self) -> Metrics:
        value = action_value(self.model, self.policy)
        scale = self._config.value_weight / max(float(np.abs(value).mean()), 1e-300)  # lambda of Eq. 17
        logits = np.log(self._estimated_behavior) + scale * value
        below_best = np.maximum(logits - logits.max(axis=1, keepdims=True), _LOWEST_LOGIT)
        before = self.policy
        self.policy = softmax_policy(below_best)
        return {"policy/largest_change": float(np.abs(self.policy - before).max())}

    def evaluate(self) -> Metrics:
        in_model = expected_return(self.model, self.policy)
        parts = model_policy_divergence(self._mdp, self.model, self.policy, self._behavior)
        bound = stopped_path_bound(parts.model_part, self._mdp.discount, self._mdp.reward_bound)
        exact = exact_weights(self._mdp, self.policy, self._behavior)
        off = weights_error(self.weights, exact, occupancy(self._mdp, self._behavior))
        return {
            "evaluation/return": expected_return(self._mdp, self.policy),
            "evaluation/return_in_model": in_model,
            "evaluation/divergence_model_nats": parts.model_part,
            "evaluation/divergence_policy_nats": parts.policy_part,
            "evaluation/bound": bound,
            "evaluation/lower_bound": in_model - bound,
            "evaluation/weights_error_l1": off["l1"],
        }

    def load(self, model: DenseDynamics, policy: Policy, weights: Weights) -> None:
        self.model, self.policy, self.weights = self._mdp.with_dynamics(model), policy, weights

    def _by_pair(self, rows: Array) -> Weights:
        """Weights of transitions, [N], as weights of pairs, [S, A]; zero for pairs without data."""
        table = np.zeros(self.policy.size)
        table[self._data.pair] = rows
        return table.reshape(self.policy.shape)


def tied_cells(mdp: FiniteMDP, share: float) -> Integers:
    """Neighboring states tied into about share * S cells, action by action, [S, A]; absorbing states stay apart."""
    cells = aggregate_states(mdp.n_states, mdp.n_actions, max(1, round(share * mdp.n_states)))
    apart = np.flatnonzero(mdp.absorbing)
    cells[apart] = cells.max() + 1 + np.arange(len(apart))[:, None]
    return cells
