"""Claims about occupancies and returns: what everything else rests on.  Source: theory.md, sections 1 and 5."""

from __future__ import annotations

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from tabular.claims.case import Case


def _occupancy_is_the_flow(case: Case) -> Measurement:
    state_visits = case.policy_occupancy.sum(axis=1)
    arriving = case.discount * case.mdp.push_forward(case.policy_occupancy)
    starting = (1.0 - case.discount) * case.mdp.initial
    residual = np.abs(state_visits - arriving - starting).sum() + abs(state_visits.sum() - 1.0)
    return Measurement(left=float(residual), right=0.0)


def _return_by_two_routes(case: Case) -> Measurement:
    return Measurement(left=float(np.vdot(case.policy_occupancy, case.mdp.reward)), right=case.expected_return)


def _telescoping(case: Case) -> Measurement:
    gap = case.expected_return_in_model - case.expected_return
    telescoped = case.discount * float(np.vdot(case.model_occupancy, case.value_error))
    return Measurement(left=gap, right=telescoped, rounding=case.value_rounding)


CLAIMS = (
    Claim(
        name="occupancy-flow",
        source="AMPL, section 2",
        statement="d_pi sums to one and satisfies d(s') = (1-γ) μ0 + γ Σ P* d",
        relation=Relation.EQUAL,
        measure=_occupancy_is_the_flow,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="return-two-routes",
        source="AMPL, Eq. 1",
        statement="(1-γ) E_{μ0,π}[Q] = E_{d_π}[r]",
        relation=Relation.EQUAL,
        measure=_return_by_two_routes,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="telescoping",
        source="MOPO, Lemma 4.1",
        statement="J(π,P̂) - J(π,P*) = γ E_{d_π under P̂}[E_P̂ V - E_P* V]",
        relation=Relation.EQUAL,
        measure=_telescoping,
        expected=Verdict.HOLDS,
    ),
)
