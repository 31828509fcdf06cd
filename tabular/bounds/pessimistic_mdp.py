"""MOReL's pessimistic MDP: unknown pairs lead to a state that is never left and costs kappa a step.

    r_p = r, and -kappa at HALT;    P_p(HALT | s, a) = 1 if (s, a) is unknown or s = HALT,    P_hat otherwise

Source: Kidambi et al., "MOReL: Model-Based Offline Reinforcement Learning" (NeurIPS 2020), Definitions 2 and 3.
Returns are J = (1 - discount) times the paper's.
"""

from __future__ import annotations

import numpy as np

from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Mask, Policy


def pessimistic_mdp(model: FiniteMDP, unknown: Mask, halt_penalty: float) -> FiniteMDP:
    """The pessimistic MDP; HALT is its last state.

    Args:
        model: under P_hat.
        unknown: which pairs a detector does not vouch for, [S, A].
        halt_penalty: kappa, in reward units a step.
    """
    n_states, n_actions = model.reward.shape
    dynamics = np.zeros((n_states + 1, n_actions, n_states + 1))
    dynamics[:-1, :, :-1] = np.where(unknown[:, :, None], 0.0, model.to_dense().dynamics)
    dynamics[:-1, :, -1] = unknown
    dynamics[-1, :, -1] = 1.0
    return FiniteMDP(
        dynamics,
        np.vstack([model.reward, np.full((1, n_actions), -halt_penalty)]),
        np.append(model.initial, 0.0),
        model.discount,
        name=f"pessimistic {model.name}",
    )


def with_halt(policy: Policy) -> Policy:
    """A policy of the pessimistic MDP that does the same elsewhere, [S, A] to [S + 1, A]; at HALT nothing matters."""
    return np.vstack([policy, np.full((1, policy.shape[1]), 1.0 / policy.shape[1])])


def discounted_hitting_time(mdp: FiniteMDP, policy: Policy, pairs: Mask) -> float:
    """E[discount^T], T the first step at which the policy takes one of the pairs, [S, A]; in [0, 1]."""
    policy = mdp.check_policy(policy)
    stopped, arriving = pessimistic_mdp(mdp, pairs, 0.0), np.vstack([pairs, np.zeros_like(pairs[:1])])
    value: Floats = action_value_of(stopped, with_halt(policy), arriving.astype(np.float64))
    return float(mdp.initial @ (policy * value[:-1]).sum(axis=1))
