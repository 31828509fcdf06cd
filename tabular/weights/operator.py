"""Marginal importance weights (MIW) and the operator T whose fixed point they are.  Source: AMPL, Eq. 9, Proposition 2.

    w*(s, a)     = d_pi(s, a) / d_b(s, a)
    (T w)(s',a') = [discount sum_{s,a} P*(s'|s,a) w(s,a) d_b(s,a) + (1-discount) mu0(s')] pi(a'|s') / d_b(s',a')

T is affine: T w = K w + constant with K = discount D_b^-1 P_pi^T D_b. Weights live on the support of d_b; where d_b is
zero they are zero by convention, and if the policy goes there they do not exist: an error names the pairs.
"""

from __future__ import annotations

import numpy as np

from ampl.errors import InvalidShapeError, UncoveredPairsError, check_at_least
from ampl.real_numbers import read_only, real_array
from tabular.exact.occupancy import occupancy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Mask, Occupancy, Policy, StateMatrix, Weights

_NAMED_PAIRS = 5  # how many uncovered pairs a message lists


def density_ratio(policy_occupancy: Occupancy, behavior_occupancy: Occupancy) -> Weights:
    """w = d_pi / d_b on the support of d_b and 0 elsewhere, [S, A].

    Raises:
        UncoveredPairsError: d_pi > 0 somewhere where d_b = 0; the message gives the pairs and their mass under d_pi.
    """
    covered = behavior_occupancy > 0.0
    missing = (policy_occupancy > 0.0) & ~covered
    if missing.any():
        pairs = [(int(s), int(a)) for s, a in np.argwhere(missing)]
        listed = ", ".join(f"(s={s}, a={a})" for s, a in pairs[:_NAMED_PAIRS])
        more = f" and {len(pairs) - _NAMED_PAIRS} more" if len(pairs) > _NAMED_PAIRS else ""
        raise UncoveredPairsError(
            f"the behavior policy visits never, or too rarely for the solver to tell, {listed}{more}, which carry "
            f"{policy_occupancy[missing].sum():.3g} of the policy's occupancy, so the weights do not exist. "
            "Mix some of the policy into the behavior policy."
        )
    return np.divide(policy_occupancy, behavior_occupancy, out=np.zeros(policy_occupancy.shape), where=covered)


def exact_weights(mdp: FiniteMDP, policy: Policy, behavior: Policy) -> Weights:
    """w* = d_pi / d_b under the true dynamics, [S, A]; mean one under d_b.

    Raises:
        UncoveredPairsError: the policy visits pairs that the behavior policy never visits.
    """
    return density_ratio(occupancy(mdp, policy), occupancy(mdp, behavior))


class WeightOperator:
    """T of AMPL's Proposition 2, matrix-free: one application costs one product with the dynamics.

    Args:
        mdp: the true MDP, dense or sparse.
        policy: pi, [S, A].
        behavior: pi_b, [S, A].
        policy_occupancy: d_pi, [S, A], if already known.

    Attributes, which are read-only:
        behavior_occupancy: d_b, [S, A].
        support: where d_b > 0, [S, A].
        per_mass: pi / d_b on the support and 0 elsewhere, [S, A].
        discounted_mass: discount d_b, [S, A].

    Raises:
        UncoveredPairsError: the policy visits pairs outside the support.
        InvalidArgumentError, InvalidShapeError, InvalidDistributionError: a policy is none of the MDP, or
            `policy_occupancy` is not [S, A].
    """

    def __init__(
        self, mdp: FiniteMDP, policy: Policy, behavior: Policy, policy_occupancy: Occupancy | None = None
    ) -> None:
        policy = mdp.check_policy(policy)
        self.mdp = mdp
        visits = occupancy(mdp, policy) if policy_occupancy is None else self._table("d_pi", policy_occupancy)
        self.policy = read_only(policy)
        self.behavior_occupancy: Occupancy = read_only(occupancy(mdp, behavior))
        self.support: Mask = read_only(self.behavior_occupancy > 0.0)
        self._fixed_point: Weights = read_only(density_ratio(visits, self.behavior_occupancy))
        safe = np.where(self.support, self.behavior_occupancy, 1.0)
        per_mass = np.where(self.support, policy / safe, 0.0)
        self.per_mass: Floats = read_only(per_mass)  # pi(a'|s') / d_b(s',a')
        self.discounted_mass: Floats = read_only(mdp.discount * self.behavior_occupancy)
        self._starting: Floats = (1.0 - mdp.discount) * mdp.initial
        self._arrivals: StateMatrix = mdp.pair_dynamics.T  # [S', S*A], a view

    @property
    def shape(self) -> tuple[int, int]:
        """(S, A)."""
        return self.mdp.n_states, self.mdp.n_actions

    def __call__(self, weights: Weights) -> Weights:
        """T w, [S, A] to [S, A].  Source: AMPL, Eq. 9.

        Raises:
            InvalidShapeError: w is not [S, A].  InvalidArgumentError: it is not made of real numbers.
        """
        arriving = self._arriving(weights)
        arriving += self._starting
        return self.per_mass * arriving[:, None]

    def apply_linear(self, weights: Floats) -> Floats:
        """K w, the linear part of T, [S, A] to [S, A].  Raises what `__call__` does."""
        return self.per_mass * self._arriving(weights)[:, None]

    def apply_adjoint(self, function: Floats) -> Floats:
        """K^T f = discount D_b P_pi D_b^-1 f, [S, A] to [S, A].  Raises what `__call__` does."""
        expected = np.einsum("sa,sa->s", self.per_mass, self._table("function", function))  # [S']
        return self.mdp.discount * self.behavior_occupancy * self.mdp.expect_next(expected)

    def _arriving(self, weights: Floats) -> Floats:
        """discount sum_{s,a} P*(s'|s,a) d_b(s,a) w(s,a), [S']."""
        return np.asarray(self._arrivals @ (self.discounted_mass * self._table("weights", weights)).ravel())

    def _table(self, name: str, value: Floats) -> Floats:
        table = real_array(name, value)
        if table.shape != self.shape:
            raise InvalidShapeError(f"{name} has shape {table.shape}; expected {self.shape}.")
        return table

    def matrix(self) -> Floats:
        """K restricted to the support of d_b, dense [n, n] with n pairs in row-major order."""
        policy_dynamics = self.pair_transitions()
        mass = self.behavior_occupancy[self.support]
        return self.mdp.discount * policy_dynamics.T * mass / mass[:, None]

    def pair_transitions(self) -> Floats:
        """P_pi[(s,a),(s',a')] = P*(s'|s,a) pi(a'|s') between pairs of the support, dense [n, n]."""
        states, actions = np.nonzero(self.support)
        rows = self.mdp.pair_dynamics[states * self.mdp.n_actions + actions]
        rows = rows.toarray() if self.mdp.is_sparse else rows
        return rows[:, states] * self.policy[states, actions]

    def fixed_point(self) -> Weights:
        """w* = d_pi / d_b, [S, A], from the two exact occupancies rather than by iteration; read-only."""
        return self._fixed_point

    def iterate(self, weights: Weights, n_iterations: int) -> Floats:
        """w_0, T w_0, ..., T^n w_0: [n+1, S, A].  Source: AMPL, Proposition 2.

        Raises:
            InvalidShapeError: w_0 is not [S, A].
            InvalidArgumentError: it is not made of real numbers, or `n_iterations` < 1.
        """
        check_at_least("n_iterations", n_iterations, 1, "A run of zero iterations shows nothing.")
        history = np.empty((n_iterations + 1, *self.shape))
        history[0] = self._table("weights", weights)
        for step in range(n_iterations):
            history[step + 1] = self(history[step])
        return history


def mean_weight(weights: Weights, behavior_occupancy: Occupancy) -> float:
    """E_{d_b}[w], [S, A] each; T keeps it at one where pi takes only actions of pi_b in all states that d_b visits."""
    return float(np.vdot(behavior_occupancy, weights))
