"""OptiDICE's program, solved exactly: the largest return less a divergence of what is visited from the data.

    primal   max_d   E_d[r] - alpha D_f(d || d_D)                     over the occupancies d of the MDP
    dual     min_nu  (1 - discount) E_mu0[nu] + alpha E_{d_D}[f*(e / alpha)],   e = r + discount E[nu(s')] - nu(s)

At the optimum d = w d_D with w = f*'(e / alpha) = max(0, (f')^-1(e / alpha)), and the policy is w d_D, normalized in
each state. Any nu bounds the optimum from above, any policy from below: the difference of the two certifies both.

A sampled transition has one s' and not their mean. With e(s, a, s') = r + discount nu(s') - nu(s) in place of e the
dual is larger: its own dual is a maximum over the occupancies under any dynamics, so that luck may be chosen.

Source: Lee et al., "OptiDICE: Offline Policy Optimization via Stationary Distribution Correction Estimation" (ICML
2021), Propositions 1 and 2, Corollary 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tabular.alignment.ratio_program import RatioProgram, solve_ratios
from tabular.alignment.surrogate import check_coefficient
from tabular.bounds.divergences import Divergence, KullbackLeibler, divergence
from tabular.exact.linear_solvers import NEAR_ONE
from tabular.exact.occupancy import occupancy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Integers, Occupancy, Policy, StateMatrix, StateValue, Weights

_UNVISITED = 1e-10  # share of the data's visits to a state below which w is zero there but for the solver's rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class RegularizedOptimum:
    """The maximizer of J - alpha D_f(d || d_D) over all policies, with its certificate.

    Attributes:
        policy: [S, A]; the behavior policy's in states that it never visits.
        occupancy: of that policy, [S, A].
        value: the dual objective, at least the optimum, per step in reward units.
        gap: `value` minus what the policy attains: how far both can be from the optimum.
        state_value: nu, [S], reward units without (1 - discount); 0 where there are no data.
        advantage: e, [S, A]; 0 where there are no data.
        weights: w = f*'(e / alpha), [S, A]; 0 where there are no data.
    """

    policy: Policy
    occupancy: Occupancy
    value: float
    gap: float
    state_value: StateValue
    advantage: Floats
    weights: Weights


def regularized_optimum(
    mdp: FiniteMDP, behavior: Policy, alpha: float, kind: Divergence | None = None
) -> RegularizedOptimum:
    """max_pi J(pi) - alpha D_f(d_pi || d_D), d_D the behavior policy's occupancy: OptiDICE's optimum.

    With KL it is the optimum of DAMO's J - alpha KL(rho_T || rho_B), for the dynamics cancel in the ratio.

    Args:
        mdp: dense or sparse.
        behavior: pi_b, [S, A]; policies outside its support are infinitely bad.
        alpha: > 0, reward units.
        kind: f; KL if not given.

    Raises:
        InvalidArgumentError: alpha <= 0.
        UnknownNameError: another f than KL, chi-squared, soft chi-squared and x^3/3.
        NotConvergedError: the duality gap stayed too large.
    """
    check_coefficient(alpha)
    kind = kind or KullbackLeibler()
    data = occupancy(mdp, behavior)
    flow = _Flow.of(mdp, data)
    program = flow.program(mdp, alpha, kind)
    solution = solve_ratios(program, np.ones(len(flow.pairs)))
    visits = flow.by_pair(program.mass * solution.ratio, data.shape)
    totals = visits.sum(axis=1, keepdims=True)
    visited = totals > _UNVISITED * data.sum(axis=1, keepdims=True)
    policy = np.where(visited, visits / np.where(visited, totals, 1.0), behavior)
    attained = occupancy(mdp, policy)
    slope = program.slope(solution.multipliers)
    return RegularizedOptimum(
        policy=policy,
        occupancy=attained,
        value=solution.value,
        gap=solution.value - regularized_value(mdp, attained, data, alpha, kind),
        state_value=flow.state_value(solution.multipliers, mdp),
        advantage=flow.by_pair(alpha * slope, data.shape),
        weights=flow.by_pair(kind.conjugate_slope(slope), data.shape),
    )


def regularized_value(mdp: FiniteMDP, visits: Occupancy, data: Occupancy, alpha: float, kind: Divergence) -> float:
    """E_d[r] - alpha D_f(d || d_D), per step in reward units; minus infinity where d leaves the data (most f)."""
    return float(visits.ravel() @ mdp.reward.ravel() - alpha * divergence(kind, visits.ravel(), data.ravel()))


def one_sample_minimum(mdp: FiniteMDP, behavior: Policy, alpha: float, kind: Divergence) -> float:
    """min_nu of OptiDICE's dual with e(s, a, s') in place of its mean: what samples minimize, at least the optimum.

    Raises:
        InvalidArgumentError, UnknownNameError, NotConvergedError: as for `regularized_optimum`.
    """
    check_coefficient(alpha)
    flow = _Flow.of(mdp, occupancy(mdp, behavior), one_sample=True)
    return solve_ratios(flow.program(mdp, alpha, kind), np.ones(len(flow.pairs))).value


@dataclass(frozen=True, kw_only=True, eq=False)
class _Flow:
    """Where the program's rows and multipliers belong: a row a pair of the data, or a transition of the data."""

    pairs: Integers  # s*A + a of each row, [M]
    states: Integers  # those that the data visit: a multiplier each, [n]
    mass: Floats  # d_D of each row, [M]
    leaving: StateMatrix  # one where the row's state is, [M, n]
    entering: StateMatrix  # how likely each next state is, [M, n]

    @classmethod
    def of(cls, mdp: FiniteMDP, data: Occupancy, *, one_sample: bool = False) -> _Flow:
        pairs = np.flatnonzero(data.ravel() > 0.0)
        states = np.flatnonzero(data.sum(axis=1) > 0.0)
        mass = data.ravel()[pairs]
        entering = sparse.csr_array(mdp.pair_dynamics)[pairs]
        if one_sample:
            transitions = entering.tocoo()
            pairs, mass = pairs[transitions.row], mass[transitions.row] * transitions.data
            entering = _one_hot(transitions.col, mdp.n_states)
        leaving = _one_hot(np.searchsorted(states, pairs // mdp.n_actions), len(states))
        return cls(pairs=pairs, states=states, mass=mass, leaving=leaving, entering=entering[:, states])

    def program(self, mdp: FiniteMDP, alpha: float, kind: Divergence) -> RatioProgram:
        design = sparse.csr_array(self.leaving - mdp.discount * self.entering)
        start = (1.0 - mdp.discount) * mdp.initial[self.states]
        if mdp.discount > NEAR_ONE:  # the level that all nu share is a multiplier of its own: that of ones
            ones = sparse.csr_array(np.ones((len(self.pairs), 1)))
            design, start[0] = sparse.csr_array(sparse.hstack([ones, design[:, 1:]])), 1.0
        return RatioProgram(
            design=design,
            start=start,
            mass=self.mass,
            earned=mdp.reward.ravel()[self.pairs],
            alpha=alpha,
            kind=kind,
        )

    def state_value(self, multipliers: Floats, mdp: FiniteMDP) -> StateValue:
        found = np.zeros(mdp.n_states)
        found[self.states] = multipliers
        if mdp.discount > NEAR_ONE:
            level, found[self.states[0]] = multipliers[0] / (1.0 - mdp.discount), 0.0
            found[self.states] += level
        return found

    def by_pair(self, rows: Floats, shape: tuple[int, ...]) -> Floats:
        table = np.zeros(shape)
        table.ravel()[self.pairs] = rows
        return table


def _one_hot(column: Integers, n_columns: int) -> sparse.csr_array:
    rows = np.arange(len(column))
    return sparse.csr_array((np.ones(len(column)), (rows, column)), shape=(len(column), n_columns))
