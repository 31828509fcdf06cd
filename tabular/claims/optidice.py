"""Claims of OptiDICE.  Source: theory.md, section 6."""

from __future__ import annotations

import numpy as np

from ampl.claims.claim import Measurement, Relation
from tabular.claims.aligned_case import at_least, equal
from tabular.claims.dice_case import FIRST_ORDER, DiceCase, dice_claim
from tabular.dice.regularized_optimum import one_sample_minimum, regularized_value
from tabular.exact.occupancy import expected_return

_DETERMINISTIC = "every pair of the data has a single next state (deterministic dynamics)"


def _closed_form(case: DiceCase) -> Measurement:
    """L at w* against L at other weights: random ones, and w* stretched by a little."""
    value = case.random_value("nu")
    generator = case.case.generator("weights")
    best = case.kind.conjugate_slope(case.advantage(value) / case.alpha)
    others = (best * generator.uniform(0.5, 1.5, best.shape), generator.exponential(size=best.shape))
    attained = case.lagrangian(value)
    size = case.scale + case.alpha * float((case.data * best**2).sum())
    return at_least(attained, max(case.lagrangian(value, weights) for weights in others), size)


def _convex(case: DiceCase) -> Measurement:
    first, second = case.random_value("nu"), case.random_value("other nu")
    ends = case.lagrangian(first) / 2.0 + case.lagrangian(second) / 2.0
    return at_least(ends, case.lagrangian((first + second) / 2.0), case.scale + abs(ends))


def _strong_duality(case: DiceCase) -> Measurement:
    found = case.optimum
    attained = regularized_value(case.mdp, found.occupancy, case.data, case.alpha, case.kind)
    return equal(found.value, attained, case.scale)


def _no_policy_has_more(case: DiceCase) -> Measurement:
    return at_least(case.optimum.value, case.inner.value, case.scale)


def _extraction(case: DiceCase) -> Measurement:
    """TV between w* d_D and the occupancy of the policy that is read from it."""
    found = case.optimum
    return Measurement(left=float(np.abs(found.weights * case.data - found.occupancy).sum()) / 2.0, right=0.0)


def _below_the_return(case: DiceCase) -> Measurement:
    return at_least(expected_return(case.mdp, case.optimum.policy), case.optimum.value, case.scale)


def _one_sample_is_larger(case: DiceCase) -> Measurement:
    value = case.random_value("nu")
    mean = case.lagrangian(value)
    return at_least(case.one_sample(value), mean, case.scale + abs(mean))


def _one_sample_is_equal(case: DiceCase) -> Measurement:
    value = case.random_value("nu")
    mean = case.lagrangian(value)
    return equal(case.one_sample(value), mean, case.scale + abs(mean), condition_met=case.is_deterministic)


def _one_sample_minimum(case: DiceCase) -> Measurement:
    found = one_sample_minimum(case.mdp, case.case.behavior, case.alpha, case.kind)
    return equal(found, case.optimum.value, case.scale, condition_met=case.is_deterministic)


CLAIMS = (
    dice_claim(
        "optidice-1",
        "OptiDICE, Proposition 1",
        "w* = max(0, (f')⁻¹(e_ν/α)) maximizes L(w,ν) over w >= 0",
        _closed_form,
    ),
    dice_claim(
        "optidice-2",
        "OptiDICE, Proposition 2",
        "L(w*_ν, ν) is convex in ν (left: at the middle of two ν, right: the mean of both)",
        _convex,
    ),
    dice_claim(
        "optidice-3",
        "OptiDICE, Corollary 3",
        "with one sampled s' in place of its mean L is larger: L(w*_ν, ν) <= L̃(ν)",
        _one_sample_is_larger,
    ),
    dice_claim(
        "optidice-3-equality",
        "OptiDICE, Corollary 3",
        "L̃(ν) = L(w*_ν, ν)",
        _one_sample_is_equal,
        relation=Relation.EQUAL,
        condition=_DETERMINISTIC,
    ),
    dice_claim(
        "optidice-one-sample-optimum",
        "finding on OptiDICE, Corollary 3",
        "what samples minimize has the program's optimum: min_ν L̃(ν) = max_d E_d[r] - α D_f(d‖d_D)",
        _one_sample_minimum,
        relation=Relation.EQUAL,
        condition=_DETERMINISTIC,
    ),
    dice_claim(
        "optidice-duality",
        "OptiDICE, section 3",
        "no gap: min_ν L(w*_ν, ν) = E_d[r] - α D_f(d‖d_D) of the policy read from w*",
        _strong_duality,
        relation=Relation.EQUAL,
    ),
    dice_claim(
        "optidice-optimum",
        "OptiDICE, section 3",
        "J(π) - α D_f(d_π‖d_D) <= min_ν L(w*_ν, ν) for every π that the data cover",
        _no_policy_has_more,
    ),
    dice_claim(
        "optidice-extraction",
        "OptiDICE, section 3",
        "the policy π(a|s) ~ w* d_D has the occupancy w* d_D (left: TV)",
        _extraction,
        relation=Relation.EQUAL,
        tolerance=FIRST_ORDER,
    ),
    dice_claim(
        "optidice-lower-bound",
        "OptiDICE, section 3",
        "the optimal value is a lower bound of what the policy earns: min_ν L(w*_ν, ν) <= J(π*)",
        _below_the_return,
    ),
)
