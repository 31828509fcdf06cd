"""Claims of MOPO: value errors, the penalized lower bound, the guarantee of its optimum.  Source: theory.md, section 5.

Ratios need sides of one sign, so a statement that a return is at least a lower bound is measured as a loss (what the
lower bound's own optimism could take away) against the penalty that pays for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from tabular.bounds.integral_metrics import L1Distance, LineWasserstein1, MeanDiscrepancy, Wasserstein1
from tabular.bounds.penalized_mdp import mean_uncertainty, penalized_optimum
from tabular.bounds.penalty_tradeoff import TradeOff, enumerate_trade_off
from tabular.bounds.theorem1 import next_state_total_variation
from tabular.claims.case import Case
from tabular.exact.occupancy import expected_return
from tabular.types import Floats

_PROGRAM_PAIRS = 6  # a linear program a pair takes time
_KERNEL_STATES = 12
_POLICIES = 64  # A^S that is enumerated in a case
_L1 = L1Distance()


def _error(case: Case) -> Floats:
    """|G|, [S, A], with what is only rounding set to zero."""
    error = np.abs(case.value_error)
    return np.where(error > case.value_rounding, error, 0.0)


def _worst_pair(error: Floats, bound: Floats) -> Measurement:
    """The pair where the error is largest relative to its bound."""
    ratio = np.divide(error, bound, out=np.where(error > 0.0, np.inf, 0.0), where=bound > 0.0)
    pair = int(ratio.argmax())
    return Measurement(left=float(error.flat[pair]), right=float(bound.flat[pair]))


def _printed_value_bound(scale: float) -> Callable[[Case], Measurement]:
    """|G| <= r_max/(1-discount) scale sup_A; the condition, rewards in [0, r_max], is what the sup form needs."""

    def measure(case: Case) -> Measurement:
        bound = scale * case.mdp.reward_bound / (1.0 - case.discount) * next_state_total_variation(case.mdp, case.model)
        worst = _worst_pair(_error(case), bound + case.value_rounding)
        nonnegative = float(case.mdp.reward.min()) >= 0.0
        return Measurement(left=worst.left, right=worst.right, condition_met=scale > 1.0 or nonnegative)

    return measure


def _line_transport_bound(case: Case) -> Measurement:
    metric = LineWasserstein1(positions=case.generator("positions").random(case.mdp.n_states))
    bound = metric.norm(case.relative_value) * metric.distance(case.mdp, case.model)
    return _worst_pair(_error(case), bound + case.value_rounding)


def _transport_bound(case: Case) -> Measurement | None:
    if case.n_pairs > _PROGRAM_PAIRS:
        return None
    points = case.generator("points").random((case.mdp.n_states, 2))
    metric = Wasserstein1(metric=np.abs(points[:, None] - points).sum(axis=-1))  # distances in a plane, by axes
    bound = metric.norm(case.relative_value) * metric.distance(case.mdp, case.model)
    return _worst_pair(_error(case), bound + case.value_rounding)


def _kernel_bound(case: Case) -> Measurement | None:
    if case.mdp.n_states > _KERNEL_STATES:
        return None
    points = case.generator("points").random(case.mdp.n_states)
    kernel = np.exp(-np.abs(points[:, None] - points)) + 0.1 * np.eye(case.mdp.n_states)
    metric = MeanDiscrepancy(kernel=kernel)
    bound = metric.norm(case.state_value) * metric.distance(case.mdp, case.model)
    return _worst_pair(_error(case), bound + case.value_rounding)


def _weight(case: Case) -> float:
    """lambda = discount c for the L1 distance, c = r_max / (1 - discount): it serves every policy."""
    return case.discount * case.mdp.reward_bound / (1.0 - case.discount)


def _loss(case: Case, claimed: float, received: float) -> float:
    """How much less than claimed was received, with what is only rounding set to zero."""
    loss = claimed - received
    return loss if loss > case.rounding else 0.0


def _penalized_lower_bound(case: Case) -> Measurement:
    penalty = _weight(case) * float(np.vdot(case.model_occupancy, _L1.distance(case.mdp, case.model)))
    return Measurement(left=_loss(case, case.expected_return_in_model, case.expected_return), right=penalty)


def _unpenalized_lower_bound(case: Case) -> Measurement:
    """The same without a penalty: the right side is nothing but rounding."""
    return Measurement(left=_loss(case, case.expected_return_in_model, case.expected_return), right=0.0)


@lru_cache(maxsize=1)
def _small_trade_off(case: Case) -> tuple[TradeOff, Floats] | None:
    if not case.is_small or case.mdp.n_actions**case.mdp.n_states > _POLICIES:  # one action is one policy on any size
        return None
    uncertainty = _L1.distance(case.mdp, case.model)
    return enumerate_trade_off(case.mdp, case.model, uncertainty), uncertainty


@lru_cache(maxsize=1)
def _optimum_return(case: Case) -> float:
    uncertainty = _L1.distance(case.mdp, case.model)
    return expected_return(case.mdp, penalized_optimum(case.model, uncertainty, _weight(case)))


def _theorem44(case: Case) -> Measurement | None:
    """Over deterministic policies and the case's own two, each with its own penalty."""
    found = _small_trade_off(case)
    if found is None:
        return None
    trade_off, uncertainty = found
    received = _optimum_return(case)
    own = [(expected_return(case.mdp, policy), mean_uncertainty(case.model, uncertainty, policy))
           for policy in (case.policy, case.behavior)]  # fmt: skip
    returns = np.append(trade_off.expected_return, [returned for returned, _ in own])
    penalties = 2.0 * _weight(case) * np.append(trade_off.mean_uncertainty, [uncertain for _, uncertain in own])
    return _worst_pair(_losses(case, returns, received), penalties)


def _eq11(case: Case) -> Measurement | None:
    """At every delta where the best policy within it changes."""
    found = _small_trade_off(case)
    if found is None:
        return None
    trade_off, _ = found
    received = _optimum_return(case)
    order = np.argsort(trade_off.mean_uncertainty)
    best = np.maximum.accumulate(trade_off.expected_return[order])  # J(pi^delta) at delta = eps of each policy
    return _worst_pair(_losses(case, best, received), 2.0 * _weight(case) * trade_off.mean_uncertainty[order])


def _losses(case: Case, claimed: Floats, received: float) -> Floats:
    losses = claimed - received
    return np.where(losses > case.rounding, losses, 0.0)


def _return_under_the_model(case: Case) -> Measurement:
    """J(pi, P*) from d_pi under P_hat and the value error, which are computed apart from it."""
    corrected = float(np.vdot(case.model_occupancy, case.mdp.reward - case.discount * case.value_error))
    return Measurement(left=case.expected_return, right=corrected, rounding=case.value_rounding)


def _two_sided_bound(case: Case) -> Measurement:
    penalty = _weight(case) * float(np.vdot(case.model_occupancy, _L1.distance(case.mdp, case.model)))
    return Measurement(left=case.return_gap, right=penalty)


def _telescoping_as_printed(case: Case) -> Measurement:
    gap = case.expected_return_in_model - case.expected_return
    printed = case.discount * float(np.vdot(case.policy_occupancy, case.value_error))
    return Measurement(left=gap, right=printed, rounding=case.value_rounding)


CLAIMS = (
    Claim(
        name="mopo-telescoping-printed",
        source="MOPO, Lemma 4.1 as printed",
        statement="J(π,P̂) - J(π,P*) = γ E_{d_π under P*}[E_P̂ V - E_P* V] (the occupancy without its hat)",
        relation=Relation.EQUAL,
        measure=_telescoping_as_printed,
        expected=Verdict.FAILS_AS_PRINTED,
    ),
    Claim(
        name="mopo-return-under-model",
        source="MOPO, Eq. 2",
        statement="J(π,P*) = E_{d_π under P̂}[r - γG]",
        relation=Relation.EQUAL,
        measure=_return_under_the_model,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="mopo-value-error-printed",
        source="MOPO, section 4.1 (i) as printed",
        statement="|G(s,a)| <= r_max/(1-γ) sup_A |P̂(A) - P*(A)|",
        relation=Relation.AT_MOST,
        measure=_printed_value_bound(1.0),
        expected=Verdict.HOLDS_WITH_CONDITION,
        condition="rewards in [0, r_max]",
    ),
    Claim(
        name="mopo-value-error-l1",
        source="MOPO, section 4.1 (i), corrected",
        statement="|G(s,a)| <= r_max/(1-γ) Σ |P̂ - P*|",
        relation=Relation.AT_MOST,
        measure=_printed_value_bound(2.0),
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="mopo-value-error-line",
        source="MOPO, section 4.1 (ii), states on a line",
        statement="|G(s,a)| <= Lip(V) W1(P̂,P*), closed form",
        relation=Relation.AT_MOST,
        measure=_line_transport_bound,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="mopo-value-error-w1",
        source="MOPO, section 4.1 (ii)",
        statement="|G(s,a)| <= Lip(V) W1(P̂,P*), linear program",
        relation=Relation.AT_MOST,
        measure=_transport_bound,
        expected=Verdict.HOLDS,
        tolerance=1e-6,
    ),
    Claim(
        name="mopo-value-error-mmd",
        source="MOPO, section 4.1 (iii)",
        statement="|G(s,a)| <= |V|_H MMD(P̂,P*)",
        relation=Relation.AT_MOST,
        measure=_kernel_bound,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="mopo-lower-bound",
        source="MOPO, Eq. 7",
        statement="J(π,P*) >= E_{d_π under P̂}[r - λu] (left: the model's optimism, right: the penalty)",
        relation=Relation.AT_MOST,
        measure=_penalized_lower_bound,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="mopo-lower-bound-unpenalized",
        source="MOPO, Eq. 7 with λ = 0",
        statement="J(π,P*) >= J(π,P̂) (left: the model's optimism)",
        relation=Relation.AT_MOST,
        measure=_unpenalized_lower_bound,
        expected=Verdict.FAILS_AS_PRINTED,
    ),
    Claim(
        name="mopo-two-sided",
        source="MOPO, Eq. 12",
        statement="|J(π,P*) - J(π,P̂)| <= λ E_{d_π under P̂}[u]",
        relation=Relation.AT_MOST,
        measure=_two_sided_bound,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="mopo-theorem44",
        source="MOPO, Theorem 4.4",
        statement="J(π̂,P*) >= sup_π {J(π,P*) - 2λ ε_u(π)} over the case's two policies and all deterministic ones "
        "(left: J(π) - J(π̂), right: 2λ ε_u(π), at the worst π)",
        relation=Relation.AT_MOST,
        measure=_theorem44,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="mopo-eq11",
        source="MOPO, Eq. 11",
        statement="J(π̂,P*) >= J(π^δ,P*) - 2λδ for every δ, π^δ the best deterministic policy within δ "
        "(left: J(π^δ) - J(π̂), right: 2λδ, at the worst δ)",
        relation=Relation.AT_MOST,
        measure=_eq11,
        expected=Verdict.HOLDS,
    ),
)
