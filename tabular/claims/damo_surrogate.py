"""Claims of DAMO: its bound, its surrogate and the surrogate's minimum over y.  Source: theory.md, section 6."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ampl.claims.claim import Measurement, Relation
from tabular.alignment.ratio_program import generator_slope
from tabular.alignment.surrogate import model_divergence_of, regularized_return, theorem_a1
from tabular.bounds.divergences import ChiSquared, KullbackLeibler
from tabular.claims.aligned_case import AlignedCase, aligned_claim, at_least, equal
from tabular.types import Floats

_FUNCTIONS = "functions of transitions"  # what their random stream is called
_DISTANCES = (3.0, 1.0, 0.3, 0.1, 0.01)  # of other functions y from the optimal one, relative to 1 + |y|


class _HalfChiSquared(ChiSquared):
    """(x - 1)^2 / 2, which touches x log x at one and dominates it nowhere else for x < 1."""

    name = "half of chi-squared"

    def generator(self, ratio: Floats) -> Floats:
        """(x - 1)^2 / 2."""
        return super().generator(ratio) / 2.0


def _theorem_a1(case: AlignedCase) -> Measurement:
    sides = theorem_a1(case.occupancies, case.kind)
    return at_least(sides.right, sides.left, 1.0 + sides.left)


def _theorem_a1_any_f(case: AlignedCase) -> Measurement:
    """Half of chi-squared on some cases, a dominating f on the others."""
    dominates = not isinstance(case.kind, ChiSquared)
    kind = case.kind if dominates else _HalfChiSquared()
    sides = theorem_a1(case.occupancies, kind)
    found = at_least(sides.right, sides.left, 1.0 + sides.left, condition_met=dominates)
    return replace(found, settings=case.settings_with(kind))


def _theorem_a1_equality(case: AlignedCase) -> Measurement:
    kind = KullbackLeibler()
    sides = theorem_a1(case.occupancies, kind)
    return Measurement(left=sides.left, right=sides.right, settings=case.settings_with(kind))


def _theorem_53(case: AlignedCase) -> Measurement:
    return at_least(regularized_return(case.occupancies, case.alpha), case.surrogate, case.scale)


def _below_the_return(case: AlignedCase) -> Measurement:
    truth = float(case.occupancies.truth @ case.occupancies.support.reward)
    return at_least(truth, case.surrogate, case.scale)


def _conjugate_of_the_conjugate(case: AlignedCase) -> Measurement:
    """f(x) against x y - f*(y) at the ratios rho_T / rho_M: equal at y = f'(x), and no less at other y."""
    ratio = _ratio(case)
    slope = generator_slope(case.kind, ratio)
    exact, unit = case.kind.generator(ratio), 1.0 + ratio**3
    off = np.abs(exact - (ratio * slope - case.kind.conjugate(slope))) / unit
    other = _around(case, slope)
    with np.errstate(over="ignore"):
        excess = (ratio * other - case.kind.conjugate(other) - exact) / unit
    return Measurement(left=max(float(off.max()), float(excess.max())), right=0.0)


def _divergence_as_a_maximum(case: AlignedCase) -> Measurement:
    """The largest E_{rho_T}[y] - E_{rho_M}[f*(y)] of random y against D_f, which y = f'(rho_T / rho_M) attains."""
    occupancies = case.occupancies
    exact = model_divergence_of(occupancies, case.kind)
    other = case.generator(_FUNCTIONS).normal(0.0, 1.0, (len(_DISTANCES), len(occupancies.truth)))
    found = float((other @ occupancies.truth - case.kind.conjugate(other) @ occupancies.model).max())
    return at_least(exact, found, 1.0 + abs(exact))


def _surrogate_as_a_free_minimum(case: AlignedCase) -> Measurement:
    """S(pi) against E_{rho_T}[c - alpha y] + alpha E_{rho_M}[f*(y)]: equal at y = f'(rho_T / rho_M), no more at others.

    Transitions that only the model makes have y at its limit.
    """
    occupancies, alpha = case.occupancies, case.alpha
    met = (occupancies.truth > 0.0) & (occupancies.model > 0.0)
    truth, model = occupancies.truth[met], occupancies.model[met]
    earned = (occupancies.support.reward - alpha * occupancies.log_ratio())[met]
    unmet = float(occupancies.model[~met].sum()) * float(case.kind.generator(np.zeros(1))[0])
    slope = generator_slope(case.kind, _ratio(case))
    with np.errstate(over="ignore"):
        values = [
            float(truth @ (earned - alpha * y)) + alpha * float(model @ case.kind.conjugate(y)) - alpha * unmet
            for y in (slope, *_around(case, slope))
        ]
    below = case.surrogate - min(values[1:])
    return equal(max(abs(values[0] - case.surrogate), below), 0.0, case.scale)


def _ratio(case: AlignedCase) -> Floats:
    """rho_T / rho_M where both are positive."""
    occupancies = case.occupancies
    met = (occupancies.truth > 0.0) & (occupancies.model > 0.0)
    return occupancies.truth[met] / occupancies.model[met]


def _around(case: AlignedCase, slope: Floats) -> Floats:
    """Random functions y near and far from the one that attains an optimum, [5, K] for [K]."""
    distance = np.array(_DISTANCES)[:, None] * (1.0 + np.abs(slope))
    return slope + distance * case.generator(_FUNCTIONS).standard_normal(distance.shape)


CLAIMS = (
    aligned_claim(
        "damo-a1",
        "DAMO, Theorem A.1",
        "KL(ρ_T‖ρ_B) <= E_{ρ_T}[log ρ_M/ρ_B] + D_f(ρ_T‖ρ_M) for f = (x-1)², x log x and x³/3",
        Relation.AT_MOST,
        _theorem_a1,
    ),
    aligned_claim(
        "damo-a1-equality",
        "DAMO, Theorem A.1",
        "for KL in place of D_f the bound is an equality",
        Relation.EQUAL,
        _theorem_a1_equality,
    ),
    aligned_claim(
        "damo-a1-any-f",
        "DAMO, Theorem A.1",
        "the bound holds for any f-divergence, half of chi-squared among them",
        Relation.AT_MOST,
        _theorem_a1_any_f,
        condition="D_f dominates KL",
    ),
    aligned_claim(
        "damo-surrogate",
        "DAMO, Eq. 1",
        "S(π) <= J(π,P*) - α KL(ρ_T‖ρ_B)",
        Relation.AT_MOST,
        _theorem_53,
    ),
    aligned_claim(
        "damo-a3",
        "DAMO, Lemma A.3",
        "f(x) = max_y xy - f*(y), attained at y = f'(x) and exceeded at none of five other y "
        "(left: the difference over 1 + x³)",
        Relation.EQUAL,
        _conjugate_of_the_conjugate,
    ),
    aligned_claim(
        "damo-a4",
        "DAMO, Corollary A.4",
        "D_f(ρ_T‖ρ_M) >= E_{ρ_T}[y] - E_{ρ_M}[f*(y)] for every function y of (s,a,s') (the worst of five)",
        Relation.AT_MOST,
        _divergence_as_a_maximum,
    ),
    aligned_claim(
        "damo-a5",
        "DAMO, Theorem A.5",
        "S(π) = min_y E_{ρ_T}[r - αR - αy] + α E_{ρ_M}[f*(y)], attained at y = f'(ρ_T/ρ_M) "
        "and undercut by none of five other y",
        Relation.EQUAL,
        _surrogate_as_a_free_minimum,
    ),
    aligned_claim(
        "damo-5.3",
        "DAMO, Theorem 5.3",
        "S(π) <= J(π,P*) for every α > 0 and every f that dominates x log x",
        Relation.AT_MOST,
        _below_the_return,
    ),
)
