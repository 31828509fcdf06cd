"""The performance difference lemma: what a policy gains over another is its mean advantage over that one."""

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from tabular.exact.occupancy import action_value, expected_return


def performance_difference(case):
    """Both sides on a `tabular.claims.case.Case`, whose largest reward is 1."""
    value = action_value(case.mdp, case.behavior)  # [S, A]
    advantage = value - (case.behavior * value).sum(axis=1, keepdims=True)  # [S, A]
    gain = case.expected_return - expected_return(case.mdp, case.behavior)
    return Measurement(left=gain, right=(case.policy_occupancy * advantage).sum(), rounding=case.value_rounding)


CLAIMS = [
    Claim(
        name="performance-difference",
        source="Kakade and Langford (2002), Lemma 6.1",
        statement="J(π) - J(π_b) = E_{d_π}[Q_b - V_b]",
        relation=Relation.EQUAL,
        measure=performance_difference,
        expected=Verdict.HOLDS,
    )
]
