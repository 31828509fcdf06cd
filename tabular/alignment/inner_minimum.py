"""DAMO's inner problem, solved exactly.  Source: DAMO, Theorems 5.1 and 5.2; theory.md, section 6.

    D(pi) = min_Q (1-discount) E_{mu0,pi}[Q] + alpha E_{rho_M}[f*(delta_Q / alpha)]                              (Eq. 2)
    delta_Q(s,a,s') = r - alpha R(s,a,s') + discount E_{a'~pi}[Q(s',a')] - Q(s,a)

Its dual is a maximum over the occupancies rho of pi under any dynamics:

    D(pi) = max_rho E_rho[r - alpha R] - alpha D_f(rho || rho_M),   rho / rho_M = f*'(delta_Q / alpha) at the optimum

so D >= S, with equality where rho_T is the only such rho on rho_M's support. Both optima are returned with the gap
between them as the certificate. For f = (x-1)^2 without x >= 0 the minimum is one linear solve with a state's worth of
unknowns; otherwise an interior-point method solves both programs together.

Near discount 1 the level of Q, a number of size 1 / (1 - discount) that all its entries share, is an unknown of its
own. Its equation, that rho sums to one, is the sum of all others divided by 1 - discount.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ampl.errors import NotConvergedError
from tabular.alignment.ratio_program import RatioProgram, RatioSolution, solve_forced_ratios, solve_ratios
from tabular.alignment.surrogate import check_coefficient
from tabular.alignment.transition_support import TransitionOccupancies, TransitionSupport
from tabular.bounds.divergences import Divergence
from tabular.exact.definite_systems import SMALL, solve_definite
from tabular.exact.linear_solvers import NEAR_ONE
from tabular.types import ActionValue, Floats, Integers, Occupancy, Policy, StateMatrix

_MASS = 1e-6  # how far the mass of a ratio may be from one
_DENSE_ENTRIES = 100_000  # below it arrays are quicker than sparse ones, whatever their zeros


@dataclass(frozen=True, kw_only=True, eq=False)
class InnerMinimum:
    """The solution of DAMO's inner problem for one policy.

    Attributes:
        value: D(pi), per step, in reward units.
        action_value: Q, [S, A], reward units without (1 - discount); 0 where the policy never goes in the model.
        residual: delta_Q, [K].
        ratio: rho / rho_M = f*'(delta_Q / alpha), [K]; 0 where rho_M is.
        occupancy: rho, the occupancy over transitions that attains the dual maximum, [K].
        gap: dual minus primal value, >= 0 up to rounding: how far `value` can be from the minimum.
    """

    value: float
    action_value: ActionValue
    residual: Floats
    ratio: Floats
    occupancy: Floats
    gap: float


def inner_minimum(
    occupancies: TransitionOccupancies,
    alpha: float,
    kind: Divergence,
    *,
    data_alignment: bool = True,
    repaired: bool = False,
) -> InnerMinimum:
    """min_Q of Eq. 2, over ratios x >= 0, by an interior-point method.

    Args:
        occupancies: of the policy.
        alpha: coefficient of both regularizers, > 0.
        kind: f, whose conjugate decides what residuals cost: `KullbackLeibler`, `ChiSquared`, `SoftChiSquared` or
            `Cubic` of tabular/bounds/divergences.py, whose derivatives the interior-point method has.
        data_alignment: whether rewards carry -alpha R; without it, DAMO's variant "w/o er".
        repaired: whether rho must follow the true dynamics, by one more multiplier a transition. Then D = S exactly.

    Raises:
        InvalidArgumentError: alpha is not a positive finite number, or f no divergence but a name or a class, say.
        UnknownNameError: f is another divergence.
        AbsoluteContinuityError: the data do not cover rho_M (with data alignment), or rho_M not rho_T (repaired).
        NotConvergedError: the duality gap stayed too large.
    """
    check_coefficient(alpha)
    if repaired:
        occupancies.check_model_covers_truth()
    flow = _Flow.of(occupancies, alpha, kind, data_alignment, repaired)
    solve = solve_forced_ratios if repaired else solve_ratios
    return flow.in_full_size(solve(flow.program, flow.feasible), occupancies)


def inner_minimum_closed_form(
    occupancies: TransitionOccupancies, alpha: float, *, data_alignment: bool = True
) -> InnerMinimum:
    """min_Q of Eq. 2 for f = (x-1)^2 without x >= 0: one symmetric linear solve with S unknowns.

    A weighted least-squares problem: D(pi) = E_{rho_M}[c] + min_Q E_{rho_M}[delta_Q^2] / (4 alpha), c = r - alpha R.
    Given V, the best Q shifts each state's one-step targets by the same amount; what is left is quadratic in V. The
    value is at least the minimum over x >= 0, and equal to it where no ratio comes out negative.

    Raises:
        InvalidArgumentError: alpha is not a positive finite number.
        AbsoluteContinuityError: the data do not cover rho_M (with data alignment).
        NotConvergedError: the linear solve missed its tolerance, or near discount 1 the ratio lost its digits.
    """
    check_coefficient(alpha)
    support, policy = occupancies.support, occupancies.policy
    discount = support.mdp.discount
    mass, earned = occupancies.model, _aligned_reward(occupancies, alpha, data_alignment)
    visits = occupancies.model_visits
    mean_earned = support.by_pair(support.model_row * earned)  # E_{P_hat}[c], [S, A]
    spread_earned = earned - mean_earned.ravel()[support.pair]
    state_visits = visits.sum(axis=1)
    reached = np.flatnonzero(state_visits > 0.0)
    bellman, within = _bellman_and_variance(support, policy, visits, support.by_next_state(mass))
    system = bellman.T @ _scaled_rows(state_visits, bellman) + discount**2 * within
    target = bellman.T @ (state_visits * (policy * mean_earned).sum(axis=1))
    target -= discount * support.by_next_state(mass * spread_earned)
    state_value = np.zeros_like(state_visits)
    state_value[reached] = solve_definite(system[reached][:, reached], target[reached])
    one_step = mean_earned + discount * support.model.expect_next(state_value)
    action_value = one_step + (state_value - (policy * one_step).sum(axis=1))[:, None]
    action_value = np.where(visits > 0.0, action_value, 0.0)

    expected_next = (policy * action_value).sum(axis=1)
    residual = earned + discount * expected_next[support.next_state] - action_value.ravel()[support.pair]
    ratio = np.where(mass > 0.0, 1.0 + residual / (2.0 * alpha), 0.0)
    if not abs(float(mass @ ratio) - 1.0) <= _MASS:
        raise NotConvergedError(
            f"the inner minimum's ratio has the mass {float(mass @ ratio):.6g}; expected 1 within {_MASS:g}. Lower the "
            f"discount ({discount:.12g}), or use `inner_minimum`."
        )
    value = float(mass @ earned) + float(mass @ residual**2) / (4.0 * alpha)
    start = (1.0 - discount) * support.mdp.initial @ expected_next
    dual = float(start) + float(mass @ (residual + residual**2 / (4.0 * alpha)))
    return InnerMinimum(
        value=value,
        action_value=action_value,
        residual=residual,
        ratio=ratio,
        occupancy=mass * ratio,
        gap=abs(dual - value),
    )


def _bellman_and_variance(
    support: TransitionSupport, policy: Policy, visits: Occupancy, arriving: Floats
) -> tuple[StateMatrix, StateMatrix]:
    """I - discount P_pi and the quadratic form of the variance of V(s') given (s, a), under the model; [S, S'] each.

    Arrays for small dense models, else sparse matrices.
    """
    model = support.model
    rows, chain = model.pair_dynamics, model.policy_dynamics(policy)
    if not model.is_sparse and model.n_states <= SMALL:
        bellman = np.eye(model.n_states) - model.discount * chain
        return bellman, np.diag(arriving) - rows.T @ _scaled_rows(visits.ravel(), rows)
    rows, chain = sparse.csr_array(rows), sparse.csr_array(chain)
    bellman = sparse.csr_array(sparse.eye_array(model.n_states) - model.discount * chain)
    return bellman, sparse.csr_array(sparse.diags_array(arriving) - rows.T @ _scaled_rows(visits.ravel(), rows))


def _scaled_rows(scale: Floats, matrix: StateMatrix) -> StateMatrix:
    """diag(scale) matrix."""
    return scale[:, None] * matrix if isinstance(matrix, np.ndarray) else sparse.diags_array(scale) @ matrix


@dataclass(frozen=True, kw_only=True, eq=False)
class _Flow:
    """The program of one policy, and where its transitions and multipliers belong in full-size arrays."""

    program: RatioProgram
    feasible: Floats  # ratios to start from, [M]
    kept: Integers  # which of the K transitions the program has, [M]
    pairs: Integers  # which pairs the first multipliers are of
    impossible: float  # rho_M of transitions that the truth forbids: with repair their ratio is zero
    level_size: float  # 1 / (1 - discount) if the first multiplier is Q's level in its place, else 0

    @classmethod
    def of(
        cls, occupancies: TransitionOccupancies, alpha: float, kind: Divergence, data_alignment: bool, repaired: bool
    ) -> _Flow:
        support, policy = occupancies.support, occupancies.policy
        discount = support.mdp.discount
        earned = _aligned_reward(occupancies, alpha, data_alignment)
        modeled = occupancies.model > 0.0
        possible = modeled & ((occupancies.truth > 0.0) | (not repaired))
        kept = np.flatnonzero(possible)
        pairs = np.flatnonzero((occupancies.true_visits if repaired else occupancies.model_visits).ravel() > 0.0)
        pair = support.pair[kept]
        next_state, true_row = support.next_state[kept], support.true_row[kept]
        n_multipliers = len(pairs) + (len(kept) - len(np.unique(pair)) if repaired else 0)
        build = _design if len(kept) * n_multipliers > _DENSE_ENTRIES else _dense_design
        design = build(policy, discount, pair, next_state, pairs, true_row if repaired else None)
        start = ((1.0 - discount) * support.mdp.initial[:, None] * policy).ravel()[pairs]
        start = np.concatenate([start, np.zeros(n_multipliers - len(pairs))])
        mass = occupancies.model[kept]
        has_level = discount > NEAR_ONE
        if has_level:  # the columns of all pairs sum to 1 - discount, and so does `start`
            design, start[0] = _with_first_column_of_ones(design), 1.0
        return cls(
            program=RatioProgram(
                design=design,
                start=start,
                mass=mass,
                earned=earned[kept],
                alpha=alpha,
                kind=kind,
            ),
            feasible=occupancies.truth[kept] / mass if repaired else np.ones_like(mass),
            kept=kept,
            pairs=pairs,
            impossible=float(occupancies.model[modeled & ~possible].sum()),
            level_size=1.0 / (1.0 - discount) if has_level else 0.0,
        )

    def in_full_size(self, solution: RatioSolution, occupancies: TransitionOccupancies) -> InnerMinimum:
        support, program = occupancies.support, self.program
        table = np.zeros(occupancies.policy.size)
        table[self.pairs] = solution.multipliers[: len(self.pairs)]
        if self.level_size:
            first = self.pairs[0]
            level, table[first] = table[first] * self.level_size, 0.0
            table[self.pairs] += level
        ratio, residual = np.zeros(len(support.pair)), np.zeros(len(support.pair))
        ratio[self.kept], residual[self.kept] = solution.ratio, program.slope(solution.multipliers) * program.alpha
        constant = program.alpha * self.impossible * float(program.kind.generator(np.zeros(1))[0])
        return InnerMinimum(
            value=solution.value - constant,
            action_value=table.reshape(occupancies.policy.shape),
            residual=residual,
            ratio=ratio,
            occupancy=occupancies.model * ratio,
            gap=solution.gap,
        )


def _aligned_reward(occupancies: TransitionOccupancies, alpha: float, data_alignment: bool) -> Floats:
    """c = r - alpha R, or r alone, [K]."""
    reward = occupancies.support.reward
    return reward - alpha * occupancies.log_ratio() if data_alignment else reward


def _design(
    policy: Policy, discount: float, pair: Integers, next_state: Integers, pairs: Integers, true_row: Floats | None
) -> StateMatrix:
    """What each multiplier weighs at each transition, sparse [M, n]: Q at `pairs`, and eta if `true_row` is given."""
    own = _one_hot(pair, policy.size)
    design = sparse.csr_array(own - discount * _next_pairs(policy)[next_state])[:, pairs]
    if true_row is None:
        return design
    return sparse.csr_array(sparse.hstack([design, _dynamics_multipliers(pair, true_row)]))


def _dense_design(
    policy: Policy, discount: float, pair: Integers, next_state: Integers, pairs: Integers, true_row: Floats | None
) -> StateMatrix:
    """`_design` as an array."""
    column = np.full(policy.size, len(pairs))  # pairs without a multiplier share a column that is cut off
    column[pairs] = np.arange(len(pairs))
    row = np.arange(len(pair))
    design = np.zeros((len(pair), len(pairs) + 1))
    design[row, column[pair]] = 1.0
    design[row[:, None], column.reshape(policy.shape)[next_state]] -= discount * policy[next_state]
    design = np.ascontiguousarray(design[:, :-1])
    if true_row is None:
        return design
    free = np.append(pair[1:] == pair[:-1], False)  # eta of the last transition of each pair is zero
    same_pair = pair[:, None] == pair[free]
    return np.hstack([design, np.eye(len(pair))[:, free] - np.where(same_pair, true_row[free], 0.0)])


def _with_first_column_of_ones(design: StateMatrix) -> StateMatrix:
    ones = np.ones((design.shape[0], 1))
    if isinstance(design, np.ndarray):
        return np.hstack([ones, design[:, 1:]])
    return sparse.csr_array(sparse.hstack([sparse.csr_array(ones), design[:, 1:]]))


def _one_hot(column: Integers, n_columns: int) -> sparse.csr_array:
    rows = np.arange(len(column))
    return sparse.csr_array((np.ones(len(column)), (rows, column)), shape=(len(column), n_columns))


def _next_pairs(policy: Policy) -> sparse.csr_array:
    """pi(a|s) in row s and column s*A + a, [S, S*A]: averages a function of the pair over the policy's actions."""
    n_states, n_actions = policy.shape
    first = np.arange(0, policy.size + 1, n_actions)
    return sparse.csr_array((policy.ravel(), np.arange(policy.size), first), shape=(n_states, policy.size))


def _dynamics_multipliers(pair: Integers, true_row: Floats) -> sparse.csr_array:
    """eta(s,a,s') - E_{P*}[eta], [M, n]: one column a transition but the last of each pair, whose eta is zero."""
    is_last = np.append(pair[1:] != pair[:-1], True)
    kept = np.flatnonzero(~is_last)
    column = np.cumsum(~is_last) - 1
    identity = sparse.csr_array((np.ones(len(kept)), (kept, column[kept])), shape=(len(pair), len(kept)))
    n_pairs = int(pair.max(initial=0)) + 1
    mean = sparse.csr_array((true_row[kept], (pair[kept], column[kept])), shape=(n_pairs, len(kept)))
    return sparse.csr_array(identity - mean[pair])
