"""Claims of DAMO: its bound, its surrogate, its maximin form and their optima.  Source: theory.md, section 6."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ampl.claims import Verdict
from tabular.claims.aligned_case import AlignedCase, at_least, equal, on_small_cases
from tabular.claims.claim import Claim, Measurement, Relation
from tabular.divergences import ChiSquared, KullbackLeibler
from tabular.inner_minimum import inner_minimum, inner_minimum_closed_form
from tabular.ratio_program import generator_slope
from tabular.surrogate import model_divergence_of, optimal_classifier, regularized_return, theorem_a1
from tabular.transition_support import TransitionSupport
from tabular.types import Floats

_ROUNDING = 1e-7  # of values that come from a duality gap


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
    sides = theorem_a1(case.occupancies, case.kind if dominates else _HalfChiSquared())
    return at_least(sides.right, sides.left, 1.0 + sides.left, condition_met=dominates)


def _theorem_a1_equality(case: AlignedCase) -> Measurement:
    sides = theorem_a1(case.occupancies, KullbackLeibler())
    return Measurement(left=sides.left, right=sides.right)


def _theorem_53(case: AlignedCase) -> Measurement:
    return at_least(regularized_return(case.occupancies, case.alpha), case.surrogate, case.scale)


def _below_the_return(case: AlignedCase) -> Measurement:
    truth = float(case.occupancies.truth @ case.occupancies.support.reward)
    return at_least(truth, case.surrogate, case.scale)


def _theorem_51(case: AlignedCase) -> Measurement:
    return equal(case.minimum.value, case.surrogate, case.scale, condition_met=case.is_forced)


def _theorem_51_one_side(case: AlignedCase) -> Measurement:
    return at_least(case.minimum.value, case.surrogate, case.scale)


def _maximin_is_a_lower_bound(case: AlignedCase) -> Measurement:
    truth = float(case.occupancies.truth @ case.occupancies.support.reward)
    return at_least(truth, case.minimum.value, case.scale, condition_met=case.is_forced)


def _repair(case: AlignedCase) -> Measurement:
    repaired = inner_minimum(case.occupancies, case.alpha, case.kind, repaired=True)
    return equal(repaired.value, case.surrogate, case.scale)


def _theorem_52(case: AlignedCase) -> Measurement:
    """rho_M f*'(delta / alpha) is an occupancy of pi under some dynamics: total flow missing."""
    solution, occupancies = case.minimum, case.occupancies
    support = occupancies.support
    discount, initial = support.mdp.discount, support.mdp.initial
    rho = occupancies.model * solution.ratio
    entering = (1.0 - discount) * initial + discount * support.by_next_state(rho)
    return Measurement(
        left=float(np.abs(support.by_pair(rho) - entering[:, None] * occupancies.policy).sum()), right=0.0
    )


def _theorem_52_true_occupancy(case: AlignedCase) -> Measurement:
    """TV between rho_M f*'(delta / alpha) and rho_T."""
    solution, occupancies = case.minimum, case.occupancies
    distance = float(np.abs(occupancies.model * solution.ratio - occupancies.truth).sum()) / 2.0
    return Measurement(left=distance, right=0.0, condition_met=case.is_forced)


def _conjugate_of_the_conjugate(case: AlignedCase) -> Measurement:
    """The worst f(x) against max_y x y - f*(y), at the ratios rho_T / rho_M and y = f'(x)."""
    ratio = _ratio(case)
    slope = generator_slope(case.kind, ratio)
    off = np.abs(case.kind.generator(ratio) - (ratio * slope - case.kind.conjugate(slope))) / (1.0 + ratio**3)
    return Measurement(left=float(off.max()), right=0.0)


def _divergence_as_a_maximum(case: AlignedCase) -> Measurement:
    """E_{rho_T}[y] - E_{rho_M}[f*(y)] of random y against D_f, which y = f'(rho_T / rho_M) attains."""
    occupancies = case.occupancies
    exact = model_divergence_of(occupancies, case.kind)
    other = np.random.default_rng(len(occupancies.truth)).normal(0.0, 1.0, occupancies.truth.shape)
    found = float(occupancies.truth @ other - occupancies.model @ case.kind.conjugate(other))
    return at_least(exact, found, 1.0 + abs(exact))


def _surrogate_as_a_free_minimum(case: AlignedCase) -> Measurement:
    """E_{rho_T}[c - alpha y] + alpha E_{rho_M}[f*(y)] at y = f'(rho_T / rho_M), unmet transitions at their limit."""
    occupancies, alpha = case.occupancies, case.alpha
    met = (occupancies.truth > 0.0) & (occupancies.model > 0.0)
    slope = generator_slope(case.kind, _ratio(case))
    earned = occupancies.support.reward - alpha * occupancies.log_ratio()
    value = float(occupancies.truth[met] @ (earned[met] - alpha * slope))
    value += alpha * float(occupancies.model[met] @ case.kind.conjugate(slope))
    unmet = float(occupancies.model[~met].sum())
    return equal(value - alpha * unmet * float(case.kind.generator(np.zeros(1))[0]), case.surrogate, case.scale)


def _ratio(case: AlignedCase) -> Floats:
    """rho_T / rho_M where both are positive."""
    occupancies = case.occupancies
    met = (occupancies.truth > 0.0) & (occupancies.model > 0.0)
    return occupancies.truth[met] / occupancies.model[met]


def _model_cancels(case: AlignedCase) -> Measurement:
    support = case.occupancies.support
    data = np.zeros((support.mdp.reward.size, support.mdp.n_states))
    data[support.pair, support.next_state] = support.data
    with_truth = TransitionSupport(support.mdp, support.mdp, data.reshape(support.mdp.dynamics.shape))
    kind = KullbackLeibler()
    by_truth = inner_minimum(with_truth.occupancies(case.occupancies.policy), case.alpha, kind).value
    return equal(case.minimum_for(kind).value, by_truth, case.scale)


def _closed_form(case: AlignedCase) -> Measurement:
    closed = inner_minimum_closed_form(case.occupancies, case.alpha).value
    return at_least(closed, case.minimum_for(ChiSquared()).value, case.scale)


def _classifier(case: AlignedCase) -> Measurement:
    occupancies = case.occupancies
    chance = optimal_classifier(occupancies)
    usable = (occupancies.model > 0.0) & (chance > 1e-6) & (chance < 1.0 - 1e-6)
    log_ratio = np.log((1.0 - chance[usable]) / chance[usable])
    return Measurement(left=float(np.abs(log_ratio - occupancies.log_ratio()[usable]).max(initial=0.0)), right=0.0)


def _claim(
    name: str,
    source: str,
    statement: str,
    relation: Relation,
    measure: Callable[[AlignedCase], Measurement | None],
    *,
    condition: str = "",
    tolerance: float = _ROUNDING,
) -> Claim:
    return Claim(
        name=name,
        source=source,
        statement=statement,
        relation=relation,
        measure=on_small_cases(measure),
        expected=Verdict.HOLDS_WITH_CONDITION if condition else Verdict.HOLDS,
        condition=condition,
        tolerance=tolerance,
    )


_FORCED = "the model's support leaves every pair a single next state (deterministic dynamics)"

CLAIMS = (
    _claim(
        "damo-a1",
        "DAMO, Theorem A.1",
        "KL(ρ_T‖ρ_B) <= E_{ρ_T}[log ρ_M/ρ_B] + D_f(ρ_T‖ρ_M) for f = (x-1)², x log x and x³/3",
        Relation.AT_MOST,
        _theorem_a1,
    ),
    _claim(
        "damo-a1-equality",
        "DAMO, Theorem A.1",
        "for KL in place of D_f the bound is an equality",
        Relation.EQUAL,
        _theorem_a1_equality,
    ),
    _claim(
        "damo-a1-any-f",
        "DAMO, Theorem A.1",
        "the bound holds for any f-divergence, half of chi-squared among them",
        Relation.AT_MOST,
        _theorem_a1_any_f,
        condition="D_f dominates KL",
    ),
    _claim(
        "damo-surrogate",
        "DAMO, Eq. 1",
        "S(π) <= J(π,P*) - α KL(ρ_T‖ρ_B)",
        Relation.AT_MOST,
        _theorem_53,
    ),
    _claim(
        "damo-a3",
        "DAMO, Lemma A.3",
        "f(x) = max_y xy - f*(y), attained at y = f'(x) (left: the difference over 1 + x³)",
        Relation.EQUAL,
        _conjugate_of_the_conjugate,
    ),
    _claim(
        "damo-a4",
        "DAMO, Corollary A.4",
        "D_f(ρ_T‖ρ_M) >= E_{ρ_T}[y] - E_{ρ_M}[f*(y)] for every function y of (s,a,s')",
        Relation.AT_MOST,
        _divergence_as_a_maximum,
    ),
    _claim(
        "damo-a5",
        "DAMO, Theorem A.5",
        "S(π) = min_y E_{ρ_T}[r - αR - αy] + α E_{ρ_M}[f*(y)], attained at y = f'(ρ_T/ρ_M)",
        Relation.EQUAL,
        _surrogate_as_a_free_minimum,
    ),
    _claim(
        "damo-5.3",
        "DAMO, Theorem 5.3",
        "S(π) <= J(π,P*) for every α > 0 and every f that dominates x log x",
        Relation.AT_MOST,
        _below_the_return,
    ),
    _claim(
        "damo-5.1",
        "DAMO, Theorem 5.1",
        "min_Q of Eq. 2 equals the surrogate: D(π) = S(π)",
        Relation.EQUAL,
        _theorem_51,
        condition=_FORCED,
    ),
    _claim(
        "damo-5.1-one-side",
        "finding on DAMO, Theorem 5.1",
        "D(π) >= S(π), for D lets the dynamics be chosen",
        Relation.AT_MOST,
        _theorem_51_one_side,
    ),
    _claim(
        "damo-eq2-lower-bound",
        "DAMO, Eq. 2 (implied)",
        "what is trained is a lower bound: D(π) <= J(π,P*)",
        Relation.AT_MOST,
        _maximin_is_a_lower_bound,
        condition=_FORCED,
    ),
    _claim(
        "damo-5.1-repaired",
        "remedy for DAMO, Theorem 5.1",
        "with multipliers that impose P* on ρ the dual is tight: the minimum equals S(π)",
        Relation.EQUAL,
        _repair,
    ),
    _claim(
        "damo-5.2",
        "DAMO, Theorem 5.2",
        "at the minimizing Q, ρ_M f*'(δ_Q/α) is an occupancy of π under some dynamics",
        Relation.EQUAL,
        _theorem_52,
    ),
    _claim(
        "damo-5.2-printed",
        "DAMO, Theorem 5.2",
        "at the minimizing Q, ρ_M f*'(δ_Q/α) is ρ_T (left: TV)",
        Relation.EQUAL,
        _theorem_52_true_occupancy,
        condition=_FORCED,
        tolerance=1e-5,
    ),
    _claim(
        "damo-kl-forgets-the-model",
        "finding on DAMO, Eq. 2",
        "for f = x log x the model cancels: D(π) is the same for every P̂ of one support",
        Relation.EQUAL,
        _model_cancels,
    ),
    _claim(
        "damo-closed-form",
        "finding on DAMO, Eq. 2",
        "for f = (x-1)² least squares gives at least the minimum over ratios x >= 0",
        Relation.AT_MOST,
        _closed_form,
    ),
    _claim(
        "damo-classifier",
        "DAMO, Eqs. 3-4",
        "at the optimal classifier h, log((1-h)/h) = log(ρ_M/ρ_B)",
        Relation.EQUAL,
        _classifier,
    ),
)
