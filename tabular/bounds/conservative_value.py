"""Values that CQL and COMBO make too low on purpose, as the fixed points of their training.

With exact expectations each of CQL's losses has its minimum where, for pairs that the data have,

    Q = B^pi Q - alpha mu / pi_b                    CQL, Eq. 1: below the true Q at every pair
    Q = B^pi Q - alpha (mu / pi_b - 1)              CQL, Eq. 2: below the true V at every state if mu = pi
    Q = B^pi Q - alpha (softmax(Q) / pi_b - 1)      CQL(H), Eq. 4: mu maximizes E_mu[Q] and its own entropy
    Q = B^pi Q - beta (rho - d) / d_f               COMBO, Eq. 5: d_f mixes data and model, and so does B^pi

B^pi Q = r + discount E[Q(s', pi)] under the data's dynamics. The first, second and last are the action value of pi for
another reward (`tabular.exact.policy_gradient.action_value_of`).  Source: Kumar et al., "Conservative Q-Learning for
Offline Reinforcement Learning" (NeurIPS 2020); Yu et al., "COMBO" (NeurIPS 2021).
"""

from __future__ import annotations

import numpy as np
from scipy.special import wrightomega

from ampl.errors import NotConvergedError, UncoveredPairsError, check_fraction, check_positive
from ampl.real_numbers import real_array
from tabular.exact.linear_solvers import solve_discounted
from tabular.exact.occupancy import one_step_value, state_value
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Occupancy, Policy

_MOST_STEPS = 500
_ROUNDING = 1e-13  # of a residual, relative to the values


def action_ratio(target: Policy, behavior: Policy) -> Floats:
    """mu / pi_b, [S, A]; zero where neither takes the action.

    Raises:
        InvalidArgumentError: entries that are no real numbers.
        UncoveredPairsError: `target` takes an action that `behavior` never takes.
    """
    target, behavior = real_array("target", target), real_array("behavior", behavior)
    uncovered = (target > 0.0) & (behavior <= 0.0)
    if uncovered.any():
        state, action = (int(i) for i in np.argwhere(uncovered)[0])
        raise UncoveredPairsError(
            f"action {action} in state {state} has probability {target[state, action]:g}, but the behavior policy "
            "never takes it: CQL's penalty is infinite there."
        )
    return np.divide(target, behavior, out=np.zeros_like(target), where=behavior > 0.0)


def action_divergence(policy: Policy, behavior: Policy) -> Floats:
    """D_CQL = sum_a pi (pi / pi_b - 1), chi-squared of the two, [S], >= 0.  Source: CQL, Theorem 3.5."""
    return (action_ratio(policy, behavior) * policy).sum(axis=1) - 1.0


def entropic_value(
    mdp: FiniteMDP, policy: Policy, behavior: Policy, alpha: float, temperature: float = 1.0
) -> ActionValue:
    """The fixed point of CQL(H)'s Eq. 4 with one policy in the Bellman backup, [S, A].

    The loss at a state is alpha (temperature logsumexp(Q / temperature) - E_b[Q]) + E_b[(Q - target)^2] / 2. Its
    minimum moves with the target by a row-stochastic matrix, so that the fixed point is that of a contraction; Newton's
    method, with steps halved where they would go too far, solves it: one unknown a state.

    Args:
        mdp: with the data's dynamics.
        policy: pi of the backup, [S, A].
        behavior: pi_b, [S, A].
        alpha: > 0, in reward units.
        temperature: of the softmax, > 0, in reward units.

    Returns:
        Q; where the behavior policy never takes an action, what the backup alone says.

    Raises:
        NotConvergedError: it missed its tolerance.
    """
    check_positive("alpha", alpha)
    check_positive("temperature", temperature)
    value, step, share, allowed = state_value(mdp, policy), np.zeros(mdp.n_states), 0.0, np.inf
    for _ in range(_MOST_STEPS):
        following = one_step_value(mdp, value + share * step)
        action_value, chances = entropic_backup(following, behavior, alpha, temperature)
        residual = (policy * action_value).sum(axis=1) - value - share * step
        largest = float(np.abs(residual).max())
        if largest <= _ROUNDING * (mdp.reward_bound + float(np.abs(following).max()) + alpha):
            return action_value
        if largest > (1.0 - share / 4.0) * allowed:  # too far: for shorter steps the residual falls in proportion
            share /= 2.0
            continue
        value, allowed, share = value + share * step, largest, 1.0
        moved = np.einsum("sa,sab->sb", policy, _slope(chances, behavior, alpha / temperature))
        moved /= moved.sum(axis=1, keepdims=True)
        step = solve_discounted(mdp.policy_dynamics(moved), residual, mdp.discount, transpose=False).value
    raise NotConvergedError(f"CQL's value on {mdp.name} is still off by {allowed:.2g} after {_MOST_STEPS} steps.")


def entropic_backup(
    target: ActionValue, behavior: Policy, alpha: float, temperature: float = 1.0
) -> tuple[ActionValue, Policy]:
    """The minimum of CQL(H)'s loss for given targets, and softmax(Q / temperature) there, [S, A] each.

    At the minimum Q = target - alpha (p / pi_b - 1) with p = softmax(Q). For a given logsumexp L that is an equation of
    each p(a) alone, which Wright's omega function solves; L is where they sum to one, and Newton's method rises to it.
    """
    taken = behavior > 0.0
    scale, goal = alpha / temperature, target / temperature
    share = np.where(taken, behavior, 1.0)
    shift = goal + scale - np.log(share / scale)
    level = np.where(taken, goal, np.inf).min(axis=1)  # some p(a) <= pi_b(a), so L is at least the least target
    for _ in range(_MOST_STEPS):
        omega = np.real(wrightomega(shift - level[:, None])) * taken
        excess = (share * omega).sum(axis=1) / scale - 1.0
        step = excess * scale / np.maximum((share * omega / (1.0 + omega)).sum(axis=1), 1e-300)
        level = level + step
        if (np.abs(step) <= 1e-15 * (1.0 + np.abs(level))).all():
            break
    chances = share * np.real(wrightomega(shift - level[:, None])) * taken / scale
    chances /= chances.sum(axis=1, keepdims=True)
    return np.where(taken, target - alpha * (chances / share - 1.0), target), chances


def chi_squared_improvement(following: ActionValue, behavior: Policy, alpha: float) -> Policy:
    """The policy that maximizes E_pi[Q] - alpha D_CQL(pi, pi_b) at every state, [S, A].

    Args:
        following: Q = r + discount E[V(s')], without the penalty of its own action, [S, A].
        behavior: pi_b, [S, A], positive everywhere.
        alpha: > 0, in reward units.

    Returns:
        pi = pi_b max(0, Q - level) / (2 alpha), with the level at which it sums to one.
    """
    order = np.argsort(-following, axis=1, kind="stable")
    value, share = (np.take_along_axis(array, order, axis=1) for array in (following, behavior))
    levels = ((share * value).cumsum(axis=1) - 2.0 * alpha) / share.cumsum(axis=1)  # if the best k actions are taken
    last = (value > levels).sum(axis=1) - 1  # the first always is
    level = np.take_along_axis(levels, last[:, None], axis=1)
    policy = behavior * np.maximum(following - level, 0.0)
    return policy / policy.sum(axis=1, keepdims=True)


def mixed_mdp(
    model: FiniteMDP,
    empirical: FiniteMDP,
    data: Occupancy,
    rollouts: Occupancy,
    real_fraction: float,
    pushed_down: Occupancy | None = None,
) -> tuple[FiniteMDP, Floats]:
    """What COMBO's Bellman backup sees, and its penalty (rho - d) / d_f, [S, A].

    Args:
        model: under P_hat.
        empirical: under the data's dynamics.
        data: d, how often the data have each pair, [S, A].
        rollouts: d_M, how often rollouts in the model do, [S, A].
        real_fraction: f, the share of the data in d_f = f d + (1 - f) d_M.
        pushed_down: rho, whose values the loss lowers, [S, A], zero where d_f is; the rollouts if not given.

    Returns:
        The MDP whose rows mix both by where the batch's rows come from; where none does, the model's. The penalty is
        without beta, and zero where neither has the pair.
    """
    check_fraction("real_fraction", real_fraction)
    mixture = real_fraction * data + (1.0 - real_fraction) * rollouts
    share = np.divide(real_fraction * data, mixture, out=np.zeros(data.shape), where=mixture > 0.0)[:, :, None]
    rows = (1.0 - share) * model.to_dense().dynamics + share * empirical.to_dense().dynamics
    lowered = (rollouts if pushed_down is None else pushed_down) - data
    return model.with_dynamics(rows), np.divide(lowered, mixture, out=np.zeros(data.shape), where=mixture > 0.0)


def _slope(chances: Policy, behavior: Policy, scale: float) -> Floats:
    """dQ(a) / dtarget(b) of `entropic_backup` at each state, [S, A, A]; rows sum to one."""
    identity = np.eye(chances.shape[1])
    share = np.where(behavior > 0.0, behavior, 1.0)
    curvature = chances[:, :, None] * (identity - chances[:, None, :])
    return np.asarray(np.linalg.inv(identity + scale * curvature / share[:, :, None]), dtype=np.float64)
