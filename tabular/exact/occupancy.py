"""What a policy visits and what it earns, exactly.  Source: theory.md, section 1.

    m     = (1 - discount) (I - discount P_pi^T)^-1 mu0       how often each state is visited, sums to 1
    d     = m(s) pi(a|s)                                      the state-action occupancy
    V     = (I - discount P_pi)^-1 r_pi                       state values
    h     = V - E_mu0[V] = (I - discount P_pi)^-1 (r_pi - J)  relative values, without the level J / (1 - discount)
    J     = <d, r> = (1 - discount) <mu0, V>                  the normalized expected return

Both systems have one unknown a state, so the actions cost nothing. Probabilities of states that cannot be reached are
exactly zero: reachability is decided on the graph, not by rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order

from tabular.exact.linear_solvers import LinearSolution, solve_discounted, solve_values
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Mask, Occupancy, Policy, StateDistribution, StateMatrix, StateValue

ENTRYWISE_STATES = 20_000
"""Largest sparse MDP whose rarely visited states are worth a second solve."""

ENTRYWISE_ACCURACY = 1e-9
"""Relative error of an entry up to which an iterative solution of such an MDP is taken."""


def state_occupancy(mdp: FiniteMDP, policy: Policy) -> StateDistribution:
    """How often the policy visits each state, discounted and normalized, [S]; sums to 1.

    In dense MDPs, and in sparse ones of up to `ENTRYWISE_STATES` states, every entry is accurate relative to itself, to
    `ENTRYWISE_ACCURACY`. In larger sparse MDPs the errors of all entries together are at most the solver's residual
    over 1 - discount (about 1e-10), so that states that are reached more rarely may come out wrong or as zero.

    Raises:
        NotConvergedError: the linear solve missed its tolerance.
    """
    policy_dynamics = mdp.policy_dynamics(policy)
    reachable = reachable_states(policy_dynamics, mdp.initial)
    solution = solve_state_occupancy(mdp, policy_dynamics)
    value = solution.value
    if solution.iterations and mdp.n_states <= ENTRYWISE_STATES:
        value = _accurate_by_entry(mdp, policy_dynamics, solution, reachable)
    return np.where(reachable, np.maximum(value, 0.0), 0.0)


def _accurate_by_entry(
    mdp: FiniteMDP, policy_dynamics: StateMatrix, solution: LinearSolution, reachable: Mask
) -> StateDistribution:
    """An iterative solution where its error is small beside its smallest entry, else a better one.

    The error is at most residual / (1 - discount), whatever the entry. One more solve for what the equations still miss
    makes that about 1e-10 times smaller, at the price of the first; what it rounds is small beside each entry. The
    direct solve, which is accurate by entry too, needs far more time and memory on graphs without any order.
    """

    def is_accurate(residual: float, value: StateDistribution) -> bool:
        return residual <= ENTRYWISE_ACCURACY * (1.0 - mdp.discount) * float(value[reachable].min())

    value = solution.value
    if is_accurate(solution.residual, value):
        return value
    missing = (1.0 - mdp.discount) * mdp.initial - value + mdp.discount * (policy_dynamics.T @ value)
    correction = solve_discounted(policy_dynamics, missing, mdp.discount, transpose=True)
    value = value + correction.value
    if is_accurate(correction.residual, value):
        return value
    return solve_state_occupancy(mdp, policy_dynamics, entrywise=True).value


def solve_state_occupancy(mdp: FiniteMDP, policy_dynamics: StateMatrix, *, entrywise: bool = False) -> LinearSolution:
    """The linear solve behind `state_occupancy`, with its L1 residual and the method that was used."""
    start = (1.0 - mdp.discount) * mdp.initial
    return solve_discounted(policy_dynamics, start, mdp.discount, transpose=True, entrywise=entrywise)


def occupancy(mdp: FiniteMDP, policy: Policy) -> Occupancy:
    """d_pi(s, a), how often the policy visits each pair, discounted and normalized, [S, A]; sums to 1."""
    return state_occupancy(mdp, policy)[:, None] * mdp.check_policy(policy)


def transition_occupancy(mdp: FiniteMDP, policy: Policy) -> Any:
    """rho_pi(s, a, s') = d_pi(s, a) P*(s'|s, a): dense [S, A, S'], or sparse [S*A, S'] for a sparse MDP."""
    visits = occupancy(mdp, policy)
    if mdp.is_sparse:
        return sparse.dia_array((visits.reshape(1, -1), [0]), shape=(visits.size, visits.size)) @ mdp.dynamics
    return visits[:, :, None] * mdp.dynamics


def state_value(mdp: FiniteMDP, policy: Policy) -> StateValue:
    """V_pi, the expected discounted sum of rewards from each state, [S]; reward units, without (1 - discount)."""
    reward = np.einsum("sa,sa->s", mdp.check_policy(policy), mdp.reward)
    return solve_values(mdp.policy_dynamics(policy), reward, mdp.discount)


def relative_value(mdp: FiniteMDP, policy: Policy) -> StateValue:
    """V_pi(s) - E_mu0[V_pi], [S], reward units: what a start state is worth beside the others.

    Near discount 1 the level that all states share, J / (1 - discount), leaves no digits of V for their differences.
    """
    reward = np.einsum("sa,sa->s", mdp.check_policy(policy), mdp.reward)
    level = float(state_occupancy(mdp, policy) @ reward)
    value = solve_values(mdp.policy_dynamics(policy), reward - level, mdp.discount)
    return value - mdp.initial @ value


def action_value(mdp: FiniteMDP, policy: Policy) -> ActionValue:
    """Q_pi(s, a) = r(s, a) + discount E[V_pi(s')], [S, A]; reward units, without (1 - discount)."""
    return one_step_value(mdp, state_value(mdp, policy))


def one_step_value(mdp: FiniteMDP, following: StateValue) -> ActionValue:
    """r(s, a) + discount E[V(s')], [S, A]: the action value, if V is the policy's state value."""
    return mdp.reward + mdp.discount * mdp.expect_next(following)


def expected_return(mdp: FiniteMDP, policy: Policy) -> float:
    """J(pi, P*) = (1 - discount) E_mu0[V_pi], normalized: in units of one step's reward.  Source: AMPL, Eq. 1."""
    return return_from_start(mdp, state_value(mdp, policy))


def return_from_start(mdp: FiniteMDP, value: StateValue) -> float:
    """(1 - discount) E_mu0[V]: the normalized expected return, if V is the policy's state value."""
    return float((1.0 - mdp.discount) * (mdp.initial @ value))


def reachable_states(policy_dynamics: StateMatrix, initial: StateDistribution) -> Mask:
    """States that a chain started from `initial` can ever visit, [S]: decided on the graph of nonzero entries."""
    n_states = len(initial)
    if isinstance(policy_dynamics, np.ndarray) and n_states <= 64:
        return _reachable_by_closure(policy_dynamics, initial)
    edges = sparse.csr_array(policy_dynamics > 0.0, dtype=np.float64)  # a new matrix: the caller's keeps its zeros
    source = sparse.csr_array(initial[None] > 0.0, dtype=np.float64)  # one more node that leads to every start state
    pad = sparse.csr_array((n_states + 1, 1))
    graph = sparse.hstack([sparse.vstack([edges, source]), pad], format="csr")
    visited = breadth_first_order(graph, n_states, return_predecessors=False)
    reachable = np.zeros(n_states + 1, dtype=bool)
    reachable[visited] = True
    return reachable[:-1]


def _reachable_by_closure(policy_dynamics: Floats, initial: StateDistribution) -> Mask:
    edges = policy_dynamics > 0.0
    reachable: Mask = initial > 0.0
    while True:
        grown = reachable | edges[reachable].any(axis=0)
        if (grown == reachable).all():
            return reachable
        reachable = grown
