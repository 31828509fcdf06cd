"""AMPL's tractable objective (Eqs. 10-11): one linear equation in w, and the hyperplane of weights that solve it.

With a test function Q the residual is E_{d_b}[w (Q - discount P_pi Q)] - (1 - discount) E_{mu0,pi}[Q]. The true weights
make it zero for every Q, but a single Q leaves all but one direction of w undetermined.  Source: theory.md, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidShapeError
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Mask, Occupancy, Policy, Weights


@dataclass(frozen=True, kw_only=True)
class MomentConditions:
    """Linear equations <coefficients, w> = constants that marginal importance weights satisfy.

    Attributes:
        coefficients: [K, S, A], d_b(s,a) (Q_k - discount P_pi Q_k)(s,a) for each of K test functions.
        constants: [K], (1 - discount) E_{mu0,pi}[Q_k].
        support: where d_b > 0, [S, A]; weights elsewhere do not enter.
    """

    coefficients: Floats
    constants: Floats
    support: Mask

    def residual(self, weights: Weights) -> Floats:
        """Left minus right side of each condition, [K]; AMPL's Eq. 11 is its square with one condition."""
        return np.tensordot(self.coefficients, weights, axes=2) - self.constants

    def rank(self) -> int:
        """How many numbers about w the conditions fix, out of as many as the support has pairs."""
        return int(np.linalg.matrix_rank(self.coefficients[:, self.support]))

    def farthest_solution(self, weights: Weights, behavior_occupancy: Occupancy, direction: Floats) -> Weights:
        """Nonnegative mean-one weights, [S, A], that solve the conditions too, as far from `weights` as a line allows.

        Args:
            weights: a nonnegative solution, [S, A].
            behavior_occupancy: d_b, [S, A].
            direction: where the mass w d_b should go, [n] over the support; projected so that conditions and mean stay.
        """
        mass = behavior_occupancy[self.support]
        rows = np.vstack([self.coefficients[:, self.support] / mass, np.ones_like(mass)])  # acting on w d_b, [K+1, n]
        constrained = np.linalg.svd(rows, full_matrices=False)  # orthonormal rows that span what must not change
        spanning = constrained.Vh[1e-12 * constrained.S.max() < constrained.S]
        step = direction - spanning.T @ (spanning @ direction)
        if not np.abs(step).max() > 1e-10 * np.abs(direction).max():
            return weights
        start = weights[self.support] * mass
        shrinking = step < -1e-12 * np.abs(step).max()  # never empty: the step sums to zero
        reach = np.min(start[shrinking] / -step[shrinking])
        moved = weights.copy()
        moved[self.support] = np.maximum(start + reach * step, 0.0) / mass
        return moved


def moment_conditions(
    mdp: FiniteMDP, policy: Policy, behavior_occupancy: Occupancy, test_functions: Floats
) -> MomentConditions:
    """The conditions that test functions [K, S, A] impose on the weights.  Source: AMPL, Eq. 10.

    Raises:
        InvalidShapeError: test functions of another shape.
    """
    policy = mdp.check_policy(policy)
    if test_functions.ndim != 3 or test_functions.shape[1:] != policy.shape:
        raise InvalidShapeError(
            f"test functions have shape {test_functions.shape}; expected [K, {policy.shape[0]}, {policy.shape[1]}]. "
            "For a single one write test_function[None]."
        )
    expected = np.einsum("sa,ksa->ks", policy, test_functions)  # E_{a~pi} Q_k(s, a), [K, S]
    following = (mdp.pair_dynamics @ expected.T).T.reshape(test_functions.shape)  # P_pi Q_k, [K, S, A]
    return MomentConditions(
        coefficients=behavior_occupancy * (test_functions - mdp.discount * following),
        constants=(1.0 - mdp.discount) * expected @ mdp.initial,
        support=behavior_occupancy > 0.0,
    )


def q_moment(mdp: FiniteMDP, policy: Policy, behavior_occupancy: Occupancy, value: ActionValue) -> MomentConditions:
    """AMPL's single condition, with one action value as the test function.  Source: AMPL, Eq. 10."""
    return moment_conditions(mdp, policy, behavior_occupancy, value[None])


def indicator_conditions(mdp: FiniteMDP, policy: Policy, behavior_occupancy: Occupancy) -> MomentConditions:
    """One indicator test function a pair: together they are w = T w and determine the weights on the support."""
    return moment_conditions(mdp, policy, behavior_occupancy, indicator_basis(mdp.n_states, mdp.n_actions))


def indicator_basis(n_states: int, n_actions: int) -> Floats:
    """The test functions 1[(s, a)], [S*A, S, A]."""
    size = n_states * n_actions
    return np.eye(size).reshape(size, n_states, n_actions)


def weights_error(weights: Weights, exact: Weights, behavior_occupancy: Occupancy) -> dict[str, float]:
    """How far weights are from the exact ones, in the three ways the reports use.

    Returns:
        `l1`: sum d_b |w - w*|; `kl_nats`: KL(w d_b || d_pi), infinite if w leaves d_pi's support or is zero;
        `log_correlation`: Pearson correlation of log w and log w* over pairs where both are positive (NaN if constant).
    """
    mass = weights * behavior_occupancy
    target = exact * behavior_occupancy
    total = mass.sum()
    mass = mass / total if total > 0.0 else mass
    positive = (weights > 0.0) & (exact > 0.0) & (behavior_occupancy > 0.0)
    outside = mass[target <= 0.0].sum() > 0.0
    inside = (mass > 0.0) & (target > 0.0)
    kl = float(np.sum(mass[inside] * np.log(mass[inside] / target[inside])))
    logs = np.log(weights[positive]), np.log(exact[positive])
    varied = positive.sum() > 1 and min(np.ptp(logs[0]), np.ptp(logs[1])) > 1e-12
    return {
        "l1": float(np.sum(behavior_occupancy * np.abs(weights - exact))),
        "kl_nats": np.inf if outside or total <= 0.0 else kl,
        "log_correlation": float(np.corrcoef(*logs)[0, 1]) if varied else float("nan"),
    }
