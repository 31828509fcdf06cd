"""AlgaeDICE exactly: the regularized return of a policy, its dual over nu, and the gradient that the dual gives.

    J_f(pi) = E_{d_pi}[r] - alpha D_f(d_pi || d_D)
            = min_nu (1 - discount) E_{mu0,pi}[nu] + alpha E_{d_D}[f*(e / alpha)]
    e(s, a) = r + discount E_{s', a'~pi}[nu(s', a')] - nu(s, a)

The policy leaves its occupancy no choice, so the minimizer is known: e / alpha = f'(d_pi / d_D), and nu is the action
value of pi for the reward r - alpha f'(d_pi / d_D). With nu fixed there, the dual's gradient in pi is the policy
gradient for that reward. The maximum over pi is OptiDICE's optimum.

Source: Nachum et al., "AlgaeDICE: Policy Gradient from Arbitrary Experience" (2019), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular.alignment.ratio_program import generator_slope
from tabular.alignment.surrogate import check_coefficient
from tabular.bounds.divergences import Divergence
from tabular.dice.regularized_optimum import regularized_value
from tabular.exact.occupancy import occupancy
from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Occupancy, Policy, Weights
from tabular.weights.operator import density_ratio

_LEAST_RATIO = 1e-300  # stands for zero where f' is minus infinity there


@dataclass(frozen=True, kw_only=True, eq=False)
class DualMinimum:
    """The minimizer of AlgaeDICE's dual for one policy.

    Attributes:
        value: J_f(pi), per step in reward units.
        action_value: nu, [S, A], reward units without (1 - discount).
        weights: d_pi / d_D, [S, A].
        occupancy: d_pi, [S, A].
    """

    value: float
    action_value: ActionValue
    weights: Weights
    occupancy: Occupancy


@dataclass(frozen=True, eq=False)
class RegularizedReturn:
    """J_f, a `tabular.alignment.policy_objectives.Objective`.

    Attributes:
        mdp: dense or sparse.
        data: d_D, [S, A].
        alpha: > 0, reward units.
        kind: f.
    """

    mdp: FiniteMDP
    data: Occupancy
    alpha: float
    kind: Divergence

    def __post_init__(self) -> None:
        """Raises InvalidArgumentError for an alpha that is not positive."""
        check_coefficient(self.alpha)

    def inner(self, policy: Policy) -> DualMinimum:
        """min_nu in closed form.  Raises UncoveredPairsError where the policy leaves the data: it is minus infinity."""
        visits = occupancy(self.mdp, policy)
        weights = density_ratio(visits, self.data)
        return DualMinimum(
            value=regularized_value(self.mdp, visits, self.data, self.alpha, self.kind),
            action_value=action_value_of(self.mdp, policy, self.augmented_reward(weights)),
            weights=weights,
            occupancy=visits,
        )

    def augmented_reward(self, weights: Weights) -> Floats:
        """r - alpha f'(w), [S, A]; where w = 0 and f' is minus infinity, very large."""
        return self.mdp.reward - self.alpha * generator_slope(self.kind, np.maximum(weights, _LEAST_RATIO))

    def residual(self, policy: Policy, action_value: ActionValue) -> Floats:
        """e of any nu, [S, A]."""
        expected = (policy * action_value).sum(axis=1)
        return self.mdp.reward + self.mdp.discount * self.mdp.expect_next(expected) - action_value

    def dual(self, policy: Policy, action_value: ActionValue) -> float:
        """The dual at any nu, at least J_f(pi)."""
        start = (1.0 - self.mdp.discount) * self.mdp.initial @ (policy * action_value).sum(axis=1)
        covered = self.data > 0.0
        slope = self.residual(policy, action_value)[covered] / self.alpha
        return float(start + self.alpha * self.data[covered] @ self.kind.conjugate(slope))

    def dual_gradient(self, policy: Policy, action_value: ActionValue) -> Floats:
        """The dual's gradient in pi(a|s), rows free, with nu held fixed, [S, A]: from the data alone, without d_pi."""
        slope = self.residual(policy, action_value) / self.alpha
        weights = np.where(self.data > 0.0, self.kind.conjugate_slope(slope), 0.0)
        entering = (1.0 - self.mdp.discount) * self.mdp.initial
        entering = entering + self.mdp.discount * self.mdp.push_forward(self.data * weights)
        return entering[:, None] * action_value

    def __call__(self, policy: Policy) -> tuple[float, Floats]:
        """J_f and its gradient: the policy gradient theorem with nu for the action value."""
        found = self.inner(policy)
        return found.value, found.occupancy.sum(axis=1, keepdims=True) * found.action_value
