"""Maximizes objectives over softmax policies, and DAMO's regularized return exactly.  Source: theory.md, section 6."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from ampl.errors import NotConvergedError
from tabular.alignment.policy_objectives import Objective
from tabular.alignment.ratio_program import RatioProgram, solve_ratios
from tabular.alignment.surrogate import check_coefficient
from tabular.bounds.divergences import Divergence, KullbackLeibler
from tabular.exact.occupancy import occupancy
from tabular.exact.policy import softmax_policy
from tabular.exact.policy_gradient import logit_gradient
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Occupancy, Policy

_LARGEST_LOGIT = 30.0  # beyond it an action's probability is zero for every purpose: exp(-60)
_RESTARTS = 10
_SLOPE = 1e-5  # per logit, relative to the objective's scale


@dataclass(frozen=True, kw_only=True, eq=False)
class Maximum:
    """A policy that no small change improves.

    Attributes:
        policy: [S, A].
        value: the objective there.
        slope: largest |derivative| in a logit that is free to move, in the objective's unit.
    """

    policy: Policy
    value: float
    slope: float


def ascend(objective: Objective, policy: Policy, max_iterations: int) -> Maximum:
    """At most so many L-BFGS iterations on the logits of a softmax policy; not necessarily to a maximum."""
    shape = policy.shape

    def loss(flat: Floats) -> tuple[float, Floats]:
        current = softmax_policy(flat.reshape(shape))
        value, gradient = objective(current)
        return -value, -logit_gradient(current, gradient).ravel()

    logits = np.log(np.maximum(policy, 1e-300))
    logits = np.clip(logits - logits.max(axis=1, keepdims=True), -_LARGEST_LOGIT, 0.0)
    found = minimize(
        loss,
        logits.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_LARGEST_LOGIT, _LARGEST_LOGIT)] * policy.size,
        options={"maxiter": max_iterations, "ftol": 1e-15, "gtol": 1e-12},
    )
    at_bound = np.abs(found.x) >= _LARGEST_LOGIT
    slope = float(np.abs(np.where(at_bound, 0.0, found.jac)).max())
    return Maximum(policy=softmax_policy(found.x.reshape(shape)), value=-float(found.fun), slope=slope)


def maximize(objective: Objective, starts: list[Policy], *, max_iterations: int = 2000) -> Maximum:
    """The best of the maxima that L-BFGS finds from several policies; objectives need not be concave.

    Raises:
        NotConvergedError: the best one is still rising.
    """
    found = max((_climb(objective, start, max_iterations) for start in starts), key=lambda maximum: maximum.value)
    if not found.slope <= _SLOPE * max(1.0, abs(found.value)):
        raise NotConvergedError(
            f"the objective still rises by {found.slope:.3g} per logit after {max_iterations} iterations; "
            f"expected at most {_SLOPE * max(1.0, abs(found.value)):.3g}. Raise max_iterations."
        )
    return found


def _climb(objective: Objective, start: Policy, max_iterations: int) -> Maximum:
    """Ascends again from where a line search gave up, as long as that still helps."""
    found = ascend(objective, start, max_iterations)
    for _ in range(_RESTARTS):
        if found.slope <= _SLOPE * max(1.0, abs(found.value)):
            break
        again = ascend(objective, found.policy, max_iterations)
        if not again.value > found.value:
            break
        found = again
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class RegularizedOptimum:
    """The maximizer of J - alpha D_f(d || d_b) over all policies, with its certificate.

    Attributes:
        policy: [S, A]; uniform in states it never visits.
        occupancy: d, [S, A].
        value: J - alpha D_f, at least the optimum.
        gap: duality gap.
    """

    policy: Policy
    occupancy: Occupancy
    value: float
    gap: float


def regularized_optimum(
    mdp: FiniteMDP, behavior: Policy, alpha: float, kind: Divergence | None = None
) -> RegularizedOptimum:
    """max_pi J(pi, P*) - alpha D_f(d_pi || d_b), a convex program in d, through its dual over state values.

    With KL this is the exact optimum of J - alpha KL(rho_T || rho_B), for the dynamics cancel in the ratio.

    Args:
        mdp: the true MDP.
        behavior: pi_b, [S, A]; policies outside its support are infinitely bad.
        alpha: > 0.
        kind: f; KL if not given.

    Raises:
        InvalidArgumentError: alpha <= 0.
        NotConvergedError: the duality gap stayed too large.
    """
    check_coefficient(alpha)
    visits = occupancy(mdp, behavior)
    pairs = np.flatnonzero(visits.ravel() > 0.0)
    states = np.flatnonzero(visits.sum(axis=1) > 0.0)
    own = sparse.csr_array(
        (np.ones(visits.size), (np.arange(visits.size), np.repeat(np.arange(mdp.n_states), mdp.n_actions))),
        shape=(visits.size, mdp.n_states),
    )
    design = sparse.csr_array(own - mdp.discount * sparse.csr_array(mdp.pair_dynamics))
    program = RatioProgram(
        design=sparse.csr_array(design[pairs][:, states]),
        start=(1.0 - mdp.discount) * mdp.initial[states],
        mass=visits.ravel()[pairs],
        earned=mdp.reward.ravel()[pairs],
        alpha=alpha,
        kind=kind or KullbackLeibler(),
    )
    solution = solve_ratios(program, np.ones(len(pairs)))
    found = np.zeros(visits.size)
    found[pairs] = program.mass * solution.ratio
    table = found.reshape(visits.shape)
    totals = table.sum(axis=1, keepdims=True)
    policy = np.where(totals > 0.0, table / np.where(totals > 0.0, totals, 1.0), 1.0 / mdp.n_actions)
    return RegularizedOptimum(policy=policy, occupancy=table, value=solution.value, gap=solution.gap)
