"""Claims of DAMO: its bound, its surrogate, its maximin form and their optima.  Source: theory.md, section 6.

The data must cover the model for any of them to be finite, so each case's model is first kept within the transitions of
the truth. The coefficient alpha is drawn for each case, from 0.01 to 10 times the rewards' scale. Statements about
values of either sign are measured as 1 against 1 + (the larger minus the smaller), in units of r_max + alpha.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ampl.claims import Verdict
from ampl.errors import NotConvergedError
from tabular.claims.case import Case
from tabular.claims.claim import Claim, Measurement, Relation
from tabular.divergences import ChiSquared, Cubic, Divergence, KullbackLeibler
from tabular.inner_minimum import InnerMinimum, inner_minimum, inner_minimum_closed_form
from tabular.surrogate import optimal_classifier, regularized_return, surrogate, theorem_a1
from tabular.transition_support import TransitionOccupancies, TransitionSupport
from tabular.types import Floats

_PAIRS = 60  # the interior-point method takes milliseconds on cases of this size
_ROUNDING = 1e-7  # of values that come from a duality gap


@dataclass(frozen=True, kw_only=True, eq=False)
class _Aligned:
    """A case as DAMO sees it."""

    occupancies: TransitionOccupancies
    alpha: float
    kind: Divergence
    is_forced: bool  # whether the model's support leaves each pair one next state

    @property
    def scale(self) -> float:
        """r_max + alpha: what values are measured in."""
        return self.occupancies.support.mdp.reward_bound + self.alpha

    @cached_property
    def minimum(self) -> InnerMinimum:
        """The inner minimum."""
        return inner_minimum(self.occupancies, self.alpha, self.kind)

    @cached_property
    def surrogate(self) -> float:
        """S(pi)."""
        return surrogate(self.occupancies, self.alpha, self.kind)


class _HalfChiSquared(ChiSquared):
    """(x - 1)^2 / 2, which touches x log x at one and dominates it nowhere else for x < 1."""

    name = "half of chi-squared"

    def generator(self, ratio: Floats) -> Floats:
        """(x - 1)^2 / 2."""
        return super().generator(ratio) / 2.0


_KINDS: tuple[Divergence, ...] = (ChiSquared(), KullbackLeibler(), Cubic())


@lru_cache(maxsize=4)
def _occupancies(case: Case) -> tuple[TransitionOccupancies, bool]:
    dynamics = case.mdp.to_dense().dynamics
    rows = case.model.to_dense().dynamics * (dynamics > 0.0)
    model = case.mdp.to_dense().with_dynamics(rows / rows.sum(axis=-1, keepdims=True))
    occupancies = TransitionSupport(case.mdp.to_dense(), model, case.behavior).occupancies(case.policy)
    followed = np.bincount(occupancies.support.pair, occupancies.model > 0.0)
    return occupancies, bool(followed.max() <= 1)


@lru_cache(maxsize=4)
def _aligned(case: Case) -> _Aligned:
    occupancies, is_forced = _occupancies(case)
    generator = case.generator("damo")
    alpha = float(10.0 ** generator.uniform(-2.0, 1.0)) * max(case.mdp.reward_bound, 1e-3)
    kind = _KINDS[int(generator.integers(len(_KINDS)))]
    return _Aligned(occupancies=occupancies, alpha=alpha, kind=kind, is_forced=is_forced)


def _on_small_cases(measure: Callable[[_Aligned], Measurement | None]) -> Callable[[Case], Measurement | None]:
    """Leaves out cases that are too large, and those whose inner problem float64 cannot solve to its tolerance."""

    def measured(case: Case) -> Measurement | None:
        if case.n_pairs > _PAIRS:
            return None
        try:
            return measure(_aligned(case))
        except NotConvergedError:
            return None

    return measured


def _at_least(larger: float, smaller: float, scale: float, condition_met: bool = True) -> Measurement:
    return Measurement(left=1.0, right=max(1.0 + (larger - smaller) / scale, 1e-12), condition_met=condition_met)


def _equal(left: float, right: float, scale: float, condition_met: bool = True) -> Measurement:
    return Measurement(left=(left - right) / scale, right=0.0, condition_met=condition_met)


def _theorem_a1(case: _Aligned) -> Measurement:
    sides = theorem_a1(case.occupancies, case.kind)
    return _at_least(sides.right, sides.left, 1.0 + sides.left)


def _theorem_a1_any_f(case: _Aligned) -> Measurement:
    """Half of chi-squared on some cases, a dominating f on the others."""
    dominates = not isinstance(case.kind, ChiSquared)
    sides = theorem_a1(case.occupancies, case.kind if dominates else _HalfChiSquared())
    return _at_least(sides.right, sides.left, 1.0 + sides.left, condition_met=dominates)


def _theorem_a1_equality(case: _Aligned) -> Measurement:
    sides = theorem_a1(case.occupancies, KullbackLeibler())
    return Measurement(left=sides.left, right=sides.right)


def _theorem_53(case: _Aligned) -> Measurement:
    return _at_least(regularized_return(case.occupancies, case.alpha), case.surrogate, case.scale)


def _below_the_return(case: _Aligned) -> Measurement:
    truth = float(case.occupancies.truth @ case.occupancies.support.reward)
    return _at_least(truth, case.surrogate, case.scale)


def _theorem_51(case: _Aligned) -> Measurement:
    return _equal(case.minimum.value, case.surrogate, case.scale, condition_met=case.is_forced)


def _theorem_51_one_side(case: _Aligned) -> Measurement:
    return _at_least(case.minimum.value, case.surrogate, case.scale)


def _maximin_is_a_lower_bound(case: _Aligned) -> Measurement:
    truth = float(case.occupancies.truth @ case.occupancies.support.reward)
    return _at_least(truth, case.minimum.value, case.scale, condition_met=case.is_forced)


def _repair(case: _Aligned) -> Measurement:
    repaired = inner_minimum(case.occupancies, case.alpha, case.kind, repaired=True)
    return _equal(repaired.value, case.surrogate, case.scale)


def _theorem_52(case: _Aligned) -> Measurement:
    """rho_M f*'(delta / alpha) is an occupancy of pi under some dynamics: total flow missing."""
    solution, occupancies = case.minimum, case.occupancies
    support = occupancies.support
    discount, initial = support.mdp.discount, support.mdp.initial
    rho = occupancies.model * solution.ratio
    entering = (1.0 - discount) * initial + discount * support.by_next_state(rho)
    return Measurement(
        left=float(np.abs(support.by_pair(rho) - entering[:, None] * occupancies.policy).sum()), right=0.0
    )


def _theorem_52_true_occupancy(case: _Aligned) -> Measurement:
    """TV between rho_M f*'(delta / alpha) and rho_T."""
    solution, occupancies = case.minimum, case.occupancies
    distance = float(np.abs(occupancies.model * solution.ratio - occupancies.truth).sum()) / 2.0
    return Measurement(left=distance, right=0.0, condition_met=case.is_forced)


def _model_cancels(case: _Aligned) -> Measurement:
    support = case.occupancies.support
    with_truth = TransitionSupport(support.mdp, support.mdp, support.table(support.data))
    kind = KullbackLeibler()
    by_truth = inner_minimum(with_truth.occupancies(case.occupancies.policy), case.alpha, kind).value
    return _equal(inner_minimum(case.occupancies, case.alpha, kind).value, by_truth, case.scale)


def _closed_form(case: _Aligned) -> Measurement:
    closed = inner_minimum_closed_form(case.occupancies, case.alpha).value
    return _at_least(closed, inner_minimum(case.occupancies, case.alpha, ChiSquared()).value, case.scale)


def _classifier(case: _Aligned) -> Measurement:
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
    measure: Callable[[_Aligned], Measurement | None],
    *,
    condition: str = "",
    tolerance: float = _ROUNDING,
) -> Claim:
    return Claim(
        name=name,
        source=source,
        statement=statement,
        relation=relation,
        measure=_on_small_cases(measure),
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
