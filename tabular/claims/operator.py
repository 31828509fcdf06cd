"""Claims about the weights and their operator T: Eq. 9 and Proposition 2.  Source: theory.md, section 2."""

from __future__ import annotations

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from tabular.claims.case import Case
from tabular.weights.contraction import NORMS, sup_norm_radius
from tabular.weights.operator import mean_weight

_ITERATIONS = 30
_ROUNDING = 1e-8  # errors below this share of the first one are left to rounding
_NORM_ROUNDING = 1e-13  # of a measured operator norm


def _fixed_point(case: Case) -> Measurement:
    residual = NORMS["L1(d_b)"](case.operator(case.weights) - case.weights, case.behavior_occupancy)
    return Measurement(left=float(residual), right=0.0)


def _mean_preserved(case: Case) -> Measurement:
    weights = np.where(case.operator.support, 1.0 + case.random_function("mean"), 0.0)
    before = mean_weight(weights, case.behavior_occupancy)
    after = mean_weight(case.operator(weights), case.behavior_occupancy)
    return Measurement(left=after, right=case.discount * before + 1.0 - case.discount)


def _spectral_radius(case: Case) -> Measurement:
    return Measurement(left=case.certificates.spectral_radius, right=case.discount)


def _l1_iteration(case: Case) -> Measurement:
    start = np.where(case.operator.support, 1.0 + case.random_function("start"), 0.0)
    history = case.operator.iterate(start, _ITERATIONS)
    errors = NORMS["L1(d_b)"](history - case.weights, case.behavior_occupancy)
    visible = errors[:-1] > _ROUNDING * max(float(errors[0]), 1.0)
    steps = errors[1:][visible] / errors[:-1][visible]
    slowest = float(steps.max(initial=0.0))
    return Measurement(left=slowest if slowest > _ROUNDING else 0.0, right=case.discount)


def _l1_norm(case: Case) -> Measurement:
    return Measurement(left=case.certificates.l1_norm, right=case.discount)


def _sup_norm_contracts(case: Case) -> Measurement:
    visited = case.behavior_occupancy > 0.0
    ratio = np.divide(case.policy, case.behavior, out=np.zeros_like(case.policy), where=visited)
    near = bool((ratio < sup_norm_radius(case.mdp, case.behavior)[:, None])[visited].all())
    return _below_one(case.certificates.sup_norm, near or case.discount == 0.0)


def _sup_norm_closed_form(case: Case) -> Measurement:
    closed_form = case.sup_norm_factor
    return Measurement(
        left=case.certificates.sup_norm / max(closed_form, 1.0), right=closed_form / max(closed_form, 1.0)
    )


def _l2_norm_contracts(case: Case) -> Measurement:
    near = case.discount * case.sup_norm_factor < 1.0
    return _below_one(case.certificates.l2_norm, near)


def _below_one(norm: float, condition_met: bool) -> Measurement:
    """Where the condition is met and the norm is one within rounding, it may still be below: near discount 1 it is."""
    rounding = _NORM_ROUNDING if condition_met else 0.0
    return Measurement(left=norm, right=1.0, condition_met=condition_met, rounding=rounding)


CLAIMS = (
    Claim(
        name="weights-fixed-point",
        source="AMPL, Eq. 9",
        statement="w* = d_π / d_b satisfies w* = T w*",
        relation=Relation.EQUAL,
        measure=_fixed_point,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="operator-keeps-mean",
        source="finding on AMPL, Eq. 9",
        statement="E_{d_b}[T w] = γ E_{d_b}[w] + 1 - γ for every w, if π takes only actions of π_b in all states that "
        "the data visit; so mean-one weights stay mean-one",
        relation=Relation.EQUAL,
        measure=_mean_preserved,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="operator-spectral-radius",
        source="finding on AMPL, Proposition 2",
        statement="the linear part K of T has spectral radius γ for every π covered by d_b",
        relation=Relation.EQUAL,
        measure=_spectral_radius,
        expected=Verdict.HOLDS,
        tolerance=1e-6,  # eigenvalues of non-normal matrices
    ),
    Claim(
        name="proposition2-l1",
        source="AMPL, Proposition 2",
        statement="each iteration of T shrinks the L1(d_b) error to at most γ times itself, π near π_b or far",
        relation=Relation.AT_MOST,
        measure=_l1_iteration,
        expected=Verdict.HOLDS,
        tolerance=1e-6,  # rounding of the last errors that count
    ),
    Claim(
        name="proposition2-l1-norm",
        source="finding on AMPL, Proposition 2",
        statement="the operator norm of K in L1(d_b) is exactly γ",
        relation=Relation.EQUAL,
        measure=_l1_norm,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="proposition2-sup",
        source="AMPL, Proposition 2",
        statement="T is a contraction in the sup norm",
        relation=Relation.BELOW,
        measure=_sup_norm_contracts,
        expected=Verdict.HOLDS_WITH_CONDITION,
        condition="π(a|s)/π_b(a|s) < d_b(s) / (d_b(s) - (1-γ) μ0(s)) for all (s, a)",
        tolerance=_NORM_ROUNDING,
    ),
    Claim(
        name="sup-norm-closed-form",
        source="finding on AMPL, Proposition 2",
        statement="the sup norm of K is max π/π_b · [1 - (1-γ) μ0/d_b]",
        relation=Relation.EQUAL,
        measure=_sup_norm_closed_form,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="proposition2-l2",
        source="finding on AMPL, Proposition 2",
        statement="T is a contraction in L2(d_b)",
        relation=Relation.BELOW,
        measure=_l2_norm_contracts,
        expected=Verdict.HOLDS_WITH_CONDITION,
        condition="γ times the sup-norm factor is below one (interpolation between L1 and sup)",
        tolerance=_NORM_ROUNDING,
    ),
)
