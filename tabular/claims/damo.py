"""Claims of DAMO: its maximin form, the optimum of that and the classifier.  Source: theory.md, section 6."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ampl.claims.claim import Measurement, Relation
from tabular.alignment.inner_minimum import inner_minimum, inner_minimum_closed_form
from tabular.alignment.surrogate import optimal_classifier
from tabular.alignment.transition_support import TransitionSupport
from tabular.bounds.divergences import ChiSquared, KullbackLeibler
from tabular.claims.aligned_case import AlignedCase, aligned_claim, at_least, equal


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


def _model_cancels(case: AlignedCase) -> Measurement:
    support = case.occupancies.support
    data = np.zeros((support.mdp.reward.size, support.mdp.n_states))
    data[support.pair, support.next_state] = support.data
    with_truth = TransitionSupport(support.mdp, support.mdp, data.reshape(support.mdp.dynamics.shape))
    kind = KullbackLeibler()
    by_truth = inner_minimum(with_truth.occupancies(case.occupancies.policy), case.alpha, kind).value
    found = equal(case.minimum_for(kind).value, by_truth, case.scale)
    return replace(found, settings=case.settings_with(kind))


def _closed_form(case: AlignedCase) -> Measurement:
    closed, kind = inner_minimum_closed_form(case.occupancies, case.alpha).value, ChiSquared()
    found = at_least(closed, case.minimum_for(kind).value, case.scale)
    return replace(found, settings=case.settings_with(kind))


def _classifier(case: AlignedCase) -> Measurement:
    occupancies = case.occupancies
    chance = optimal_classifier(occupancies)
    usable = (occupancies.model > 0.0) & (chance > 1e-6) & (chance < 1.0 - 1e-6)
    log_ratio = np.log((1.0 - chance[usable]) / chance[usable])
    return Measurement(left=float(np.abs(log_ratio - occupancies.log_ratio()[usable]).max(initial=0.0)), right=0.0)


_FORCED = "the model's support leaves every pair a single next state (deterministic dynamics)"

CLAIMS = (
    aligned_claim(
        "damo-5.1",
        "DAMO, Theorem 5.1",
        "min_Q of Eq. 2 equals the surrogate: D(π) = S(π)",
        Relation.EQUAL,
        _theorem_51,
        condition=_FORCED,
    ),
    aligned_claim(
        "damo-5.1-one-side",
        "finding on DAMO, Theorem 5.1",
        "D(π) >= S(π), for D lets the dynamics be chosen",
        Relation.AT_MOST,
        _theorem_51_one_side,
    ),
    aligned_claim(
        "damo-eq2-lower-bound",
        "DAMO, Eq. 2 (implied)",
        "what is trained is a lower bound: D(π) <= J(π,P*)",
        Relation.AT_MOST,
        _maximin_is_a_lower_bound,
        condition=_FORCED,
    ),
    aligned_claim(
        "damo-5.1-repaired",
        "remedy for DAMO, Theorem 5.1",
        "with multipliers that impose P* on ρ the dual is tight: the minimum equals S(π)",
        Relation.EQUAL,
        _repair,
    ),
    aligned_claim(
        "damo-5.2",
        "DAMO, Theorem 5.2",
        "at the minimizing Q, ρ_M f*'(δ_Q/α) is an occupancy of π under some dynamics",
        Relation.EQUAL,
        _theorem_52,
    ),
    aligned_claim(
        "damo-5.2-printed",
        "DAMO, Theorem 5.2",
        "at the minimizing Q, ρ_M f*'(δ_Q/α) is ρ_T (left: TV)",
        Relation.EQUAL,
        _theorem_52_true_occupancy,
        condition=_FORCED,
        tolerance=1e-5,
    ),
    aligned_claim(
        "damo-kl-forgets-the-model",
        "finding on DAMO, Eq. 2",
        "for f = x log x the model cancels: D(π) is the same for every P̂ of one support",
        Relation.EQUAL,
        _model_cancels,
    ),
    aligned_claim(
        "damo-closed-form",
        "finding on DAMO, Eq. 2",
        "for f = (x-1)² least squares gives at least the minimum over ratios x >= 0",
        Relation.AT_MOST,
        _closed_form,
    ),
    aligned_claim(
        "damo-classifier",
        "DAMO, Eqs. 3-4",
        "at the optimal classifier h, log((1-h)/h) = log(ρ_M/ρ_B)",
        Relation.EQUAL,
        _classifier,
    ),
)
