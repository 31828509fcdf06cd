"""Exact gradients of functions of occupancies in the policy's probabilities.

For F = Phi(rho) with rho(s,a,s') = d_pi(s,a) P(s'|s,a), let h(s,a) = E_{s'~P}[dPhi/drho]. Then

    dF / dpi(a|s) = m(s) Q_h(s, a),   m the state occupancy, Q_h the action value of pi for the reward h

which is the policy gradient theorem with h for the reward.  Source: Sutton et al. 2000; theory.md, section 1.
"""

from __future__ import annotations

import numpy as np

from tabular.exact.linear_solvers import solve_values
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Occupancy, Policy


def action_value_of(mdp: FiniteMDP, policy: Policy, reward: Floats) -> ActionValue:
    """The action value of pi for a reward other than the MDP's, [S, A], in that reward's unit.

    Raises:
        NotConvergedError: the linear solve missed its tolerance.
    """
    expected = np.einsum("sa,sa->s", policy, reward)
    value = solve_values(mdp.policy_dynamics(policy), expected, mdp.discount)
    return reward + mdp.discount * mdp.expect_next(value)


def occupancy_gradient(mdp: FiniteMDP, policy: Policy, visits: Occupancy, reward: Floats) -> Floats:
    """Gradient of sum d_pi h in pi(a|s), rows free, [S, A]; `visits` is d_pi and `reward` is h, held fixed."""
    return visits.sum(axis=1, keepdims=True) * action_value_of(mdp, policy, reward)


def logit_gradient(policy: Policy, gradient: Floats) -> Floats:
    """The same gradient in the logits of a softmax policy, [S, A]."""
    return policy * (gradient - (policy * gradient).sum(axis=1, keepdims=True))
