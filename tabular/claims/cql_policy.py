"""Claims of CQL: its policy's values, the gap it widens and what it maximizes (Theorems 3.3 to 3.5).

Source: theory.md, section 10.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Measurement, Relation
from tabular.bounds.conservative_value import action_divergence, action_ratio, entropic_backup, entropic_value
from tabular.claims.aligned_case import at_least, equal
from tabular.claims.cql_case import ConservativeCase, conservative_claim
from tabular.exact.occupancy import action_value, one_step_value
from tabular.exact.policy import mix_policies
from tabular.types import ActionValue, Floats, Policy

_SAME, _DIFFERENT = 1e-12, 1e-3  # chi-squared of action distributions that are one, and that clearly are not
_ROUNDS = 2  # of policy improvement before a policy counts as settled


def _spare(policy: Policy, chances: Policy, behavior: Policy) -> Floats:
    """Left minus right of Theorem 3.3's condition, [S]."""
    ratio = action_ratio(chances, behavior)
    changed = np.abs(policy - chances).sum(axis=1) / 2.0
    return (chances * ratio).sum(axis=1) - 1.0 - ratio.max(axis=1) * changed


def _theorem_33(drawn: ConservativeCase) -> Measurement:
    """One iteration from the exact values of the behavior policy, with pi the softmax of these: epsilon is zero."""
    case = drawn.case
    before = action_value(drawn.mdp, case.behavior)
    chances = _softmax_of_covered(before, case.behavior)
    after = one_step_value(drawn.mdp, (case.behavior * before).sum(axis=1))
    after -= drawn.alpha * (action_ratio(chances, case.behavior) - 1.0)
    truth = (chances * action_value(drawn.mdp, chances)).sum(axis=1)
    return drawn.below((chances * after).sum(axis=1), truth)


def _theorem_33_one_step(drawn: ConservativeCase) -> Measurement | None:
    """E_pi[mu / pi_b - 1] >= 0 wherever the condition holds: a backup lowers E_pi[Q]."""
    case = drawn.case
    chances = _softmax_of_covered(case.action_value, case.behavior)
    near = mix_policies(chances, case.policy, float(case.generator("slow").choice([0.01, 0.1, 0.5])))
    held = _spare(near, chances, case.behavior) >= 0.0
    if not held.any():
        return None
    lowered = (near * (action_ratio(chances, case.behavior) - 1.0)).sum(axis=1)
    return at_least(float(lowered[held].min()), 0.0, 1.0)


def _theorem_33_settled(drawn: ConservativeCase) -> Measurement | None:
    """At the fixed point of Eq. 4 for a policy that is nearly the softmax of it."""
    case, policy = drawn.case, drawn.case.policy
    for _ in range(_ROUNDS):
        value = entropic_value(drawn.mdp, policy, case.behavior, drawn.alpha)
        policy = mix_policies(_softmax_of_covered(value, case.behavior), case.policy, 1e-3)
    value = entropic_value(drawn.mdp, policy, case.behavior, drawn.alpha)
    target = one_step_value(drawn.mdp, (policy * value).sum(axis=1))
    _, chances = entropic_backup(target, case.behavior, drawn.alpha)
    if (_spare(policy, chances, case.behavior) < 0.0).any():
        return None
    truth = (policy * action_value(drawn.mdp, policy)).sum(axis=1)
    return drawn.below((policy * value).sum(axis=1), truth)


def _softmax_of_covered(value: ActionValue, behavior: Policy) -> Policy:
    logits = np.where(behavior > 0.0, value, -np.inf)
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return chances / chances.sum(axis=1, keepdims=True)


def _theorem_34(drawn: ConservativeCase) -> Measurement | None:
    """One backup of CQL's and the true values, with twice the least alpha that the proof names, plus r_max or 1."""
    case, mdp = drawn.case, drawn.mdp
    apart = case.behavior - drawn.mu
    low = one_step_value(mdp, drawn.of_policy(drawn.value(mdp, drawn.mu, 1.0)))
    true = one_step_value(mdp, case.state_value)
    shortfall = (apart * (true - low)).sum(axis=1)
    divergence = action_divergence(drawn.mu, case.behavior)
    differs = divergence > _SAME
    if (differs & (divergence < _DIFFERENT)).any():
        return None
    least = np.divide(np.maximum(shortfall, 0.0), divergence, out=np.zeros_like(shortfall), where=differs).max()
    alpha = 2.0 * float(least) + (mdp.reward_bound or 1.0)
    expanded = low - alpha * (action_ratio(drawn.mu, case.behavior) - 1.0)
    gain = (apart * (expanded - true)).sum(axis=1)
    found = at_least(float(gain.min()), 0.0, drawn.scale + alpha, bool(differs.all()))
    return replace(found, settings=f"α = {alpha:.3g}")


def _theorem_34_one_alpha(drawn: ConservativeCase) -> Measurement:
    """At the fixed points, where both gaps are those of one alpha."""
    apart = drawn.case.behavior - drawn.mu
    difference = drawn.value(drawn.mdp, drawn.mu, 1.0) - drawn.case.action_value
    gain = (1.0 - drawn.mdp.discount) * (apart * difference).sum(axis=1)
    return at_least(float(gain.min()), 0.0, drawn.scale)


def _theorem_35(drawn: ConservativeCase) -> Measurement:
    case = drawn.case
    start = float(drawn.mdp.initial @ drawn.of_policy(drawn.value(drawn.mdp, case.policy, 1.0)))
    divergence = action_divergence(case.policy, case.behavior)
    objective = case.expected_return - drawn.alpha * float(case.policy_occupancy.sum(axis=1) @ divergence)
    return equal((1.0 - drawn.mdp.discount) * start, objective, drawn.scale)


CLAIMS = (
    conservative_claim(
        "cql-3.3",
        "CQL, Theorem 3.3",
        "E_π[Q̂] <= V_π after an iteration from exact values, π the softmax of these (so that ε = 0)",
        _theorem_33,
        Verdict.FAILS_AS_PRINTED,
    ),
    conservative_claim(
        "cql-3.3-one-step",
        "CQL, Theorem 3.3 (what its proof shows)",
        "where E_p[p/π_b - 1] >= max p/π_b TV(π,p), p = softmax(Q̂): E_π[p/π_b - 1] >= 0, a backup lowers E_π[Q̂]",
        _theorem_33_one_step,
    ),
    conservative_claim(
        "cql-3.3-settled",
        "remedy for CQL, Theorem 3.3",
        "under that condition E_π[Q̂] <= V_π at the fixed point of Eq. 4 for π",
        _theorem_33_settled,
    ),
    conservative_claim(
        "cql-3.4",
        "CQL, Theorem 3.4",
        "for α_k large enough E_b[Q̂] - E_μ[Q̂] > E_b[Q] - E_μ[Q] at every state",
        _theorem_34,
        condition="μ differs from π_b at every state; where it does not, both sides are zero",
        relation=Relation.BELOW,
    ),
    conservative_claim(
        "cql-3.4-one-alpha",
        "CQL, Theorem 3.4 with one α for all iterations",
        "E_b[Q̂] - E_μ[Q̂] >= E_b[Q] - E_μ[Q] at the fixed points: what α adds is a multiple of it",
        _theorem_34_one_alpha,
        Verdict.FAILS_AS_PRINTED,
    ),
    conservative_claim(
        "cql-3.5",
        "CQL, Theorem 3.5",
        "Eq. 2 with μ = π: (1-γ) E_{μ0,π}[Q̂] = J(π,P*) - α E_{d_π}[Σ π(π/π_b - 1)]",
        _theorem_35,
        relation=Relation.EQUAL,
    ),
)
