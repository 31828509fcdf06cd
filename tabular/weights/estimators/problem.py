"""What an estimator of the weights is given, and what it returns.  Source: theory.md, section 7.

The data enter as the distribution d_D over pairs and the dynamics P_D given a pair (and mu0). With the exact
ones (`from_mdp`) an estimator shows its bias, with empirical ones (`from_dataset`) its error. All equations live on the
n pairs of the support of d_D. A policy that leaves it has no weights there: that mass is dropped and reported.

    start   b = (1 - discount) mu0(s) pi(a|s)          [n]
    bellman B = I - discount P_pi                      [n, n]: B Q = Q - discount E[Q(s', a')]
    flow    c(w) = b - B^T (d_D w)                     [n], zero exactly at the weights that Eq. 9 has
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import sparse

from ampl.errors import InvalidDistributionError, InvalidRewardError, InvalidShapeError, UncoveredPairsError
from ampl.real_numbers import real_array
from tabular.exact.dataset import TransitionDataset
from tabular.exact.occupancy import occupancy
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.probabilities import check_distribution, check_rows, checked_discount
from tabular.types import Dynamics, Floats, Mask, Occupancy, Policy, Reward, StateDistribution, Weights
from tabular.weights.operator import density_ratio

BasisFunctions = Floats  # [K, S, A]


@dataclass(frozen=True, kw_only=True)
class WeightEstimate:
    """What an estimator found.

    Attributes:
        weights: [S, A], mean one under the data, zero where there are none; may be negative for some estimators.
        expected_return: E_{d_D}[w r], in reward units.
        mean: of the weights before they were normalized; one for a consistent estimator on covered data.
        residual: how far the estimator's own optimality conditions are from being met, no unit.
        uncovered: share of the policy's occupancy that is lost at pairs without data, in [0, 1].
    """

    weights: Weights
    expected_return: float
    mean: float
    residual: float
    uncovered: float


@dataclass(frozen=True, kw_only=True, eq=False)
class EstimationProblem:
    """Expectations over data, exact or empirical, and the policy whose weights are wanted.

    Attributes:
        mass: d_D(s, a), [S, A].
        dynamics: P_D, dense [S, A, S'] or sparse [S*A, S']; rows of pairs without data do not matter.
        initial: mu0, [S], exact or empirical.
        reward: [S, A].
        discount: in [0, 1).
        policy: pi, [S, A].

    Raises:
        InvalidShapeError: an array that does not fit the others.
        InvalidDistributionError: mass, initial, or a row of the policy that is no distribution.
        InvalidRewardError: a reward that is not finite.
        InvalidDiscountError: a discount outside [0, 1).
        InvalidArgumentError: one of them that is not made of real numbers.
    """

    mass: Occupancy
    dynamics: Dynamics
    initial: StateDistribution
    reward: Reward
    discount: float
    policy: Policy

    def __post_init__(self) -> None:
        """Checks everything but the rows of the dynamics; lists become arrays."""
        dense = () if sparse.issparse(self.dynamics) else ("dynamics",)
        for name in ("mass", "initial", "reward", "policy", *dense):
            object.__setattr__(self, name, real_array(name, getattr(self, name)))
        object.__setattr__(self, "discount", checked_discount("discount", self.discount))
        if self.mass.ndim != 2:
            raise InvalidShapeError(f"mass has shape {self.mass.shape}; expected [S, A].")
        n_states, n_actions = shape = self.mass.shape
        rows = shape if dense else (n_states * n_actions,)
        expected = {"reward": shape, "policy": shape, "initial": (n_states,), "dynamics": (*rows, n_states)}
        for name, wanted in expected.items():
            found = getattr(self, name).shape
            if found != wanted:
                raise InvalidShapeError(f"{name} has shape {found} and mass {shape}; expected {name} to be {wanted}.")
        if not np.isfinite(self.reward).all():
            raise InvalidRewardError("reward has entries that are not finite; expected finite numbers.")
        check_distribution("mass", self.mass)
        check_distribution("initial", self.initial)
        check_rows("policy", self.policy)

    @classmethod
    def from_mdp(cls, mdp: FiniteMDP, policy: Policy, behavior: Policy) -> EstimationProblem:
        """Exact expectations: d_D = d_b and P_D = P*.

        Raises:
            UncoveredPairsError: the policy visits pairs that the behavior policy never visits.
            InvalidArgumentError, InvalidShapeError, InvalidDistributionError: a policy is none of the MDP.
        """
        policy = mdp.check_policy(policy)
        mass = occupancy(mdp, behavior)
        density_ratio(occupancy(mdp, policy), mass)
        return cls(
            mass=mass,
            dynamics=mdp.dynamics,
            initial=mdp.initial,
            reward=mdp.reward,
            discount=mdp.discount,
            policy=policy,
        )

    @classmethod
    def from_dataset(
        cls, dataset: TransitionDataset, reward: Reward, policy: Policy, discount: float
    ) -> EstimationProblem:
        """Empirical expectations of the pairs, next states and start states; the reward table is known.

        Raises:
            AmplError: as the class does; the shapes are those of the dataset's [S, A].
        """
        counts = dataset.pair_counts()
        per_pair = sparse.dia_array((1.0 / np.maximum(counts.reshape(1, -1), 1), [0]), shape=(counts.size, counts.size))
        starts = np.bincount(dataset.start_state, minlength=dataset.n_states)
        return cls(
            mass=counts / dataset.n_transitions,
            dynamics=sparse.csr_array(per_pair @ dataset.sparse_transition_counts()),
            initial=starts / starts.sum(),
            reward=reward,
            discount=discount,
            policy=policy,
        )

    @cached_property
    def support(self) -> Mask:
        """Where d_D > 0, [S, A], with n pairs."""
        return self.mass > 0.0

    @cached_property
    def data(self) -> Floats:
        """d_D on the support, [n]."""
        return self.mass[self.support]

    @cached_property
    def start(self) -> Floats:
        """(1 - discount) mu0(s) pi(a|s), [n]."""
        return ((1.0 - self.discount) * self.initial[:, None] * self.policy)[self.support]

    @cached_property
    def bellman(self) -> Floats:
        """I - discount P_pi between pairs of the support, dense [n, n]."""
        states, actions = np.nonzero(self.support)
        n_states, n_actions = self.mass.shape
        rows = self.dynamics if sparse.issparse(self.dynamics) else self.dynamics.reshape(-1, n_states)
        rows = rows[states * n_actions + actions]
        rows = rows.toarray() if sparse.issparse(rows) else rows
        return np.eye(len(states)) - self.discount * rows[:, states] * self.policy[states, actions]

    @cached_property
    def flow_solution(self) -> Floats:
        """The occupancy of the policy in the data's own MDP, [n]; sums to one minus what is lost at uncovered pairs."""
        return np.asarray(np.linalg.solve(self.bellman.T, self.start), dtype=np.float64)

    @cached_property
    def action_value(self) -> Floats:
        """Q_pi in the data's own MDP, [n]."""
        return np.asarray(np.linalg.solve(self.bellman, self.reward[self.support]), dtype=np.float64)

    @property
    def uncovered(self) -> float:
        """Share of the policy's occupancy that is lost at pairs without data, in [0, 1]."""
        return float(np.clip(1.0 - self.flow_solution.sum(), 0.0, 1.0))

    def flow_residual(self, weights: Floats) -> Floats:
        """c(w) = b - B^T (d_D w): what the weights owe to Eq. 9, [n] to [n]; zero at the exact weights."""
        return self.start - self.bellman.T @ (self.data * weights)

    def basis(self, functions: BasisFunctions | None) -> Floats:
        """Functions orthonormal in L2(d_D) that span the given ones, [n, k]; every function of the pair if None.

        Raises:
            InvalidShapeError: functions of another shape than [K, S, A].
            InvalidArgumentError: functions that are not made of real numbers.
        """
        scale = np.sqrt(self.data)
        if functions is None:
            return np.diag(1.0 / scale)
        functions = real_array("basis functions", functions)
        if functions.ndim != 3 or functions.shape[1:] != self.mass.shape:
            raise InvalidShapeError(
                f"basis functions have shape {functions.shape}; expected [K, {self.mass.shape[0]}, "
                f"{self.mass.shape[1]}]."
            )
        left, size, _ = np.linalg.svd(scale[:, None] * functions[:, self.support].T, full_matrices=False)
        return left[:, size > 1e-12 * size.max()] / scale[:, None]

    def finish(self, name: str, weights: Floats, residual: float) -> WeightEstimate:
        """Normalizes weights [n] to mean one and puts them in the table.

        Raises:
            UncoveredPairsError: no start of the policy has data, so every weight is zero.
            InvalidDistributionError: the mean is negative or not finite.
        """
        mean = float(self.data @ weights)
        if not self.start.any():
            raise UncoveredPairsError(f"{name}: the policy starts at no pair with data. Collect more transitions.")
        if not 0.0 < mean < np.inf:
            raise InvalidDistributionError(
                f"{name}: the weights have mean {mean:.3g} under the data; expected a positive mean to normalize by. "
                "Enlarge the function class or collect more transitions."
            )
        table = np.zeros(self.mass.shape)
        table[self.support] = weights / mean
        return WeightEstimate(
            weights=table,
            expected_return=float(np.vdot(self.mass * table, self.reward)),
            mean=mean,
            residual=float(residual),
            uncovered=self.uncovered,
        )


class Estimator(Protocol):
    """Anything that estimates weights."""

    def estimate(self, problem: EstimationProblem) -> WeightEstimate:
        """The weights of the problem's policy.  Raises NotConvergedError rather than return what is not a solution."""


EstimatorFactory = Callable[[BasisFunctions | None, BasisFunctions | None], Estimator]


@dataclass(frozen=True, kw_only=True)
class PlugIn:
    """The occupancy of the policy in the MDP that the data describe, divided by d_D: model-based, without a class.

    With exact expectations it is w*. In tabular classes T iteration, variational power iteration, the Lagrangians whose
    flow constraint is exact, and minimax weight learning with a full-rank kernel all end here, also on samples that
    cover the policy.
    """

    def estimate(self, problem: EstimationProblem) -> WeightEstimate:
        """See Estimator; one linear solve."""
        weights = problem.flow_solution / problem.data
        residual = np.abs(problem.flow_residual(weights)).sum()
        return problem.finish("plug-in", weights, residual)


def doubly_robust_return(problem: EstimationProblem, weights: Weights, critic: Floats) -> float:
    """(1 - discount) E[Q(s0, a0)] + E_{d_D}[w (r + discount Q(s', a') - Q)], [S, A] tables; not normalized.

    With exact expectations it is J if w = w* (any Q) or Q = Q_pi (any w); its error is the product
    <c(w), Q - Q_pi>.  Source: Yang et al. (2020), the Lagrangian without regularization.
    """
    value, weight = critic[problem.support], weights[problem.support]
    advantage = problem.reward[problem.support] - problem.bellman @ value
    return float(problem.start @ value + (problem.data * weight) @ advantage)
