"""A finite problem for the deep wing: a random MDP, offline data, policies on their way to the optimum, and the truth.

Announced in the entry-point group `ampl.finite_problems`; see `ampl.finite_problem`.
"""

from __future__ import annotations

import numpy as np

from ampl.errors import check_at_least
from ampl.finite_problem import FiniteProblem
from ampl.randomness import stream
from tabular.exact.dataset import sample_dataset
from tabular.exact.occupancy import action_value, expected_return
from tabular.exact.policy import epsilon_greedy_policy, mix_policies, optimal_policy
from tabular.mdps.generators import random_mdp
from tabular.weights.operator import exact_weights

_CONCENTRATION = 0.3  # of the Dirichlet rows: from most pairs a few states are likely
_BEHAVIOR_EPSILON = 0.7  # the behavior policy: uniform with this probability, else optimal
_FINAL_EPSILON = 0.05  # the same for the last target policy; above zero, so that no exact weight is zero


def finite_problem(
    seed: int,
    *,
    n_states: int = 12,
    n_actions: int = 3,
    n_transitions: int = 20_000,
    n_policies: int = 9,
    discount: float = 0.9,
) -> FiniteProblem:
    """A random MDP with rewards in [0, 1], data of an epsilon-greedy behavior policy, and policies that improve on it.

    Target policy g is (1 - x) pi_b + x pi with x = g / (G - 1) and pi almost optimal: the first is the behavior policy,
    whose weights are one everywhere.

    Args:
        seed: of the MDP and of the data, which come from different streams.
        n_states: S >= 2.
        n_actions: A >= 2.
        n_transitions: N >= 1, as many as start states.
        n_policies: G >= 2.
        discount: in [0, 1).

    Raises:
        InvalidArgumentError, InvalidDiscountError: sizes or a discount outside their range.
    """
    for name, value, least in (("n_states", n_states, 2), ("n_actions", n_actions, 2), ("n_policies", n_policies, 2)):
        check_at_least(name, value, least)
    mdp = random_mdp(
        n_states,
        n_actions,
        stream(seed, "finite problem/mdp"),
        discount=discount,
        concentration=_CONCENTRATION,
        nonnegative_reward=True,
    )
    best = action_value(mdp, optimal_policy(mdp))
    behavior = epsilon_greedy_policy(best, _BEHAVIOR_EPSILON)
    final = epsilon_greedy_policy(best, _FINAL_EPSILON)
    policies = [mix_policies(behavior, final, share) for share in np.linspace(0.0, 1.0, n_policies)]
    data = sample_dataset(mdp, behavior, n_transitions, stream(seed, "finite problem/dataset"))
    return FiniteProblem(
        n_states=n_states,
        n_actions=n_actions,
        discount=discount,
        state=data.state,
        action=data.action,
        reward=data.reward,
        next_state=data.next_state,
        terminal=np.zeros(n_transitions, dtype=bool),  # the chain never ends: discounting alone is its horizon
        start_state=data.start_state,
        policies=np.stack(policies),
        exact_weights=np.stack([exact_weights(mdp, policy, behavior) for policy in policies]),
        action_values=np.stack([action_value(mdp, policy) for policy in policies]),
        expected_return=np.array([expected_return(mdp, policy) for policy in policies]),
        behavior=behavior,
        initial=mdp.initial,
        dynamics=np.asarray(mdp.dynamics),
        reward_table=mdp.reward,
    )
