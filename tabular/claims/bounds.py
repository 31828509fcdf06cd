"""Claims about how far a model's return can be off: Theorem 1, Eq. 7, their rivals.  Source: theory.md, section 4."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.return_bounds import SQRT_2, sharp_constant, stopped_path_bound, theorem1_bound
from tabular.bounds.theorem1 import coupling_bound, simulation_lemma_bound
from tabular.claims.case import Case


def _theorem1(constant: float) -> Callable[[Case], Measurement]:
    def measure(case: Case) -> Measurement:
        bound = theorem1_bound(case.divergence, case.discount, case.mdp.reward_bound, constant)
        return Measurement(left=case.return_gap, right=bound, condition_met=_within_printed_condition(case))

    return measure


def _within_printed_condition(case: Case) -> bool:
    return case.discount >= 0.75 or float(case.mdp.reward.min()) >= 0.0


def _sharp(case: Case) -> Measurement:
    bound = theorem1_bound(case.model_part, case.discount, case.mdp.reward_bound, sharp_constant(case.discount))
    return Measurement(left=case.return_gap, right=bound)


def _sharp_half(case: Case) -> Measurement:
    """Half the sharp bound; the condition is that rewards lie in [0, r_max]."""
    bound = theorem1_bound(case.model_part, case.discount, case.mdp.reward_bound, sharp_constant(case.discount) / 2.0)
    return Measurement(left=case.return_gap, right=bound, condition_met=float(case.mdp.reward.min()) >= 0.0)


def _never_vacuous(case: Case) -> Measurement:
    bound = stopped_path_bound(case.model_part, case.discount, case.mdp.reward_bound)
    return Measurement(left=case.return_gap, right=bound)


def _lower_bound(case: Case) -> Measurement:
    """J(pi, P_hat) - bound <= J(pi, P*), written as a ratio of the loss to the bound."""
    loss = case.expected_return_in_model - case.expected_return
    bound = theorem1_bound(case.divergence, case.discount, case.mdp.reward_bound, SQRT_2)
    return Measurement(left=loss if loss > case.rounding else 0.0, right=bound)


def _chain_rule(case: Case) -> Measurement | None:
    if not case.is_small or not np.isfinite(case.divergence):
        return None
    return Measurement(left=case.joint_divergence, right=case.divergence)


def _coupling(case: Case) -> Measurement:
    return Measurement(left=case.return_gap, right=coupling_bound(case.mdp, case.model) + case.rounding)


def _simulation_lemma(case: Case) -> Measurement:
    return Measurement(left=case.return_gap, right=simulation_lemma_bound(case.mdp, case.model) + case.rounding)


CLAIMS = (
    Claim(
        name="chain-rule",
        source="AMPL, section 3.1",
        statement="D_π = E_{d_π}[KL(P*‖P̂)] + E_{d_π,P*}[KL(π_b‖π)]",
        relation=Relation.EQUAL,
        measure=_chain_rule,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="theorem1-printed",
        source="AMPL, Theorem 1 with c = 1/√2",
        statement="|J(π,P*) - J(π,P̂)| <= (1/√2) γ r_max/(1-γ) √D_π",
        relation=Relation.AT_MOST,
        measure=_theorem1(1.0 / SQRT_2),
        expected=Verdict.HOLDS_WITH_CONDITION,
        condition="γ >= 3/4 or rewards in [0, r_max]",
    ),
    Claim(
        name="theorem1-sqrt2",
        source="AMPL, Theorem 1 with c = √2",
        statement="|J(π,P*) - J(π,P̂)| <= √2 γ r_max/(1-γ) √D_π",
        relation=Relation.AT_MOST,
        measure=_theorem1(SQRT_2),
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="theorem1-sharp",
        source="finding on AMPL, Theorem 1",
        statement="|J(π,P*) - J(π,P̂)| <= γ r_max √(2 D/(1-γ)), D = E_{d_π}[KL(P*‖P̂)]",
        relation=Relation.AT_MOST,
        measure=_sharp,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="theorem1-sharp-half",
        source="finding on AMPL, Theorem 1",
        statement="half of the sharp bound suffices",
        relation=Relation.AT_MOST,
        measure=_sharp_half,
        expected=Verdict.HOLDS_WITH_CONDITION,
        condition="rewards in [0, r_max]",
    ),
    Claim(
        name="theorem1-never-vacuous",
        source="finding on AMPL, Theorem 1",
        statement="|J(π,P*) - J(π,P̂)| <= 2 γ r_max min(√(D/(2(1-γ))), √(1 - exp(-D/(1-γ))))",
        relation=Relation.AT_MOST,
        measure=_never_vacuous,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="lower-bound",
        source="AMPL, Eq. 7",
        statement="J(π,P*) >= J(π,P̂) - √2 γ r_max/(1-γ) √D_π (left: the loss, right: the bound)",
        relation=Relation.AT_MOST,
        measure=_lower_bound,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="coupling-bound",
        source="tight simulation lemma",
        statement="|J(π,P*) - J(π,P̂)| <= R γε/(1-γ+γε), ε = max TV(P*,P̂), R the range of r",
        relation=Relation.AT_MOST,
        measure=_coupling,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="simulation-lemma",
        source="classical simulation lemma",
        statement="|J(π,P*) - J(π,P̂)| <= R γε/(1-γ), ε = max TV(P*,P̂), R the range of r",
        relation=Relation.AT_MOST,
        measure=_simulation_lemma,
        expected=Verdict.HOLDS,
    ),
)
