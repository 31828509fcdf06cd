"""Claims of CQL: what its values bound from below, with exact data and with a model's errors.  Source: theory.md, 10.

Kumar et al., "Conservative Q-Learning for Offline Reinforcement Learning" (NeurIPS 2020). Its numbers and wording are
quoted from memory; searches of public pages found readers' notes that agree on Eqs. 3 and 4 and on Theorem 3.4, and not
the paper's text.

A case's model stands for the empirical dynamics where a theorem speaks of sampling; C / sqrt(n) is then the smallest
number for which the theorem's assumption holds, the L1 distance of the pair's rows. alpha is drawn for each case, from
0.01 to 10 r_max, and mu is the policy or a random one that the data cover. Values are multiplied by 1 - discount.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from tabular.bounds.conservative_value import action_divergence, action_ratio, entropic_backup, entropic_value
from tabular.bounds.theorem1 import next_state_total_variation
from tabular.claims.aligned_case import at_least, equal
from tabular.claims.case import Case
from tabular.exact.occupancy import action_value, one_step_value
from tabular.exact.policy import mix_policies
from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.generators import random_rows
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Mask, Policy

_PAIRS = 60
_ROUNDING = 1e-7
_SAME, _DIFFERENT = 1e-12, 1e-3  # chi-squared of action distributions that are one, and that clearly are not
_LARGEST_ALPHA = 1e6  # beyond, float64 cannot tell values of the rewards' scale apart
_ROUNDS = 2  # of policy improvement before a policy counts as settled


@dataclass(frozen=True, kw_only=True, eq=False)
class _Conservative:
    """A case with alpha and mu."""

    case: Case
    mdp: FiniteMDP
    model: FiniteMDP
    alpha: float
    mu: Policy
    mu_is_policy: bool

    @property
    def scale(self) -> float:
        """r_max + alpha, and more than zero."""
        return max(self.mdp.reward_bound + self.alpha, 1e-3)

    @property
    def covered(self) -> Mask:
        """Pairs that the data have, [S, A]."""
        return self.case.behavior > 0.0

    def value(self, mdp: FiniteMDP, mu: Policy, offset: float, alpha: float | None = None) -> ActionValue:
        """Q of the policy under r - alpha (mu / pi_b - offset), [S, A]: Eq. 1 with offset 0, Eq. 2 with 1."""
        alpha = self.alpha if alpha is None else alpha
        return action_value_of(
            mdp, self.case.policy, mdp.reward - alpha * (action_ratio(mu, self.case.behavior) - offset)
        )

    @cached_property
    def error(self) -> Floats:
        """What an empirical Bellman backup may be off, if values stay within 2 r_max / (1 - discount), [S, A]."""
        largest = 2.0 * self.mdp.reward_bound / (1.0 - self.mdp.discount)
        return self.mdp.discount * largest * 2.0 * next_state_total_variation(self.mdp, self.model)

    def of_policy(self, value: ActionValue) -> Floats:
        """E_pi[Q], [S]."""
        return (self.case.policy * value).sum(axis=1)

    def below(self, lower: Floats, upper: Floats, condition_met: bool = True) -> Measurement:
        """That values are below others wherever they are worst."""
        worst = int(np.argmin(upper - lower))
        return at_least(
            (1.0 - self.mdp.discount) * float(upper.flat[worst]),
            (1.0 - self.mdp.discount) * float(lower.flat[worst]),
            self.scale,
            condition_met,
        )


@lru_cache(maxsize=4)
def _conservative(case: Case) -> _Conservative:
    generator = case.generator("cql")
    alpha = float(10.0 ** generator.uniform(-2.0, 1.0)) * max(case.mdp.reward_bound, 1e-3)
    mu_is_policy = bool(generator.random() < 0.5)
    other = random_rows(case.policy.shape, generator, 0.5) * (case.behavior > 0.0)
    return _Conservative(
        case=case,
        mdp=case.mdp.to_dense(),
        model=case.model.to_dense(),
        alpha=alpha,
        mu=case.policy if mu_is_policy else other / other.sum(axis=1, keepdims=True),
        mu_is_policy=mu_is_policy,
    )


def _theorem_31(drawn: _Conservative) -> Measurement:
    low = drawn.value(drawn.mdp, drawn.mu, 0.0)
    return drawn.below(low[drawn.covered], drawn.case.action_value[drawn.covered])


def _theorem_31_sampled(drawn: _Conservative) -> Measurement:
    """Q_hat <= Q - alpha S[mu / pi_b] + S[error], S = (I - discount P_pi)^-1 under P*."""
    low = drawn.value(drawn.model, drawn.mu, 0.0)
    penalty = drawn.alpha * action_ratio(drawn.mu, drawn.case.behavior)
    bound = action_value_of(drawn.mdp, drawn.case.policy, drawn.mdp.reward - penalty + drawn.error)
    largest = 2.0 * drawn.mdp.reward_bound / (1.0 - drawn.mdp.discount)
    stays = float(np.abs(drawn.of_policy(low)).max()) <= largest
    return drawn.below(low[drawn.covered], bound[drawn.covered], stays)


def _theorem_31_mended(drawn: _Conservative) -> Measurement:
    """The penalty adds up along the empirical dynamics, and half the error is enough."""
    low = drawn.value(drawn.model, drawn.mu, 0.0)
    penalty_alone = low - action_value(drawn.model, drawn.case.policy)
    bound = action_value_of(drawn.mdp, drawn.case.policy, drawn.mdp.reward + drawn.error / 2.0) + penalty_alone
    return drawn.below(low[drawn.covered], bound[drawn.covered])


def _theorem_32(drawn: _Conservative) -> Measurement:
    low = drawn.value(drawn.mdp, drawn.case.policy, 1.0)
    return drawn.below(drawn.of_policy(low), drawn.case.state_value)


def _theorem_32_every_pair(drawn: _Conservative) -> Measurement:
    low = drawn.value(drawn.mdp, drawn.case.policy, 1.0)
    return drawn.below(low[drawn.covered], drawn.case.action_value[drawn.covered])


def _theorem_32_any_mu(drawn: _Conservative) -> Measurement:
    low = drawn.value(drawn.mdp, drawn.mu, 1.0)
    return drawn.below(drawn.of_policy(low), drawn.case.state_value, drawn.mu_is_policy)


def _theorem_32_sampled(drawn: _Conservative) -> Measurement | None:
    """At the least alpha that the theorem names."""
    divergence = action_divergence(drawn.case.policy, drawn.case.behavior).min()
    if divergence <= 0.0:
        return None
    alpha = float(drawn.of_policy(drawn.error).max() / divergence)
    if alpha > _LARGEST_ALPHA:
        return None
    low = drawn.value(drawn.model, drawn.case.policy, 1.0, alpha)
    found = replace(drawn, alpha=alpha).below(drawn.of_policy(low), drawn.case.state_value)
    return replace(found, settings=f"α = {alpha:.3g}")


def _spare(policy: Policy, chances: Policy, behavior: Policy) -> Floats:
    """Left minus right of Theorem 3.3's condition, [S]."""
    ratio = action_ratio(chances, behavior)
    changed = np.abs(policy - chances).sum(axis=1) / 2.0
    return (chances * ratio).sum(axis=1) - 1.0 - ratio.max(axis=1) * changed


def _theorem_33(drawn: _Conservative) -> Measurement:
    """One iteration from the exact values of the behavior policy, with pi the softmax of these: epsilon is zero."""
    case = drawn.case
    before = action_value(drawn.mdp, case.behavior)
    chances = _softmax_of_covered(before, case.behavior)
    after = one_step_value(drawn.mdp, (case.behavior * before).sum(axis=1))
    after -= drawn.alpha * (action_ratio(chances, case.behavior) - 1.0)
    truth = (chances * action_value(drawn.mdp, chances)).sum(axis=1)
    return drawn.below((chances * after).sum(axis=1), truth)


def _theorem_33_one_step(drawn: _Conservative) -> Measurement | None:
    """E_pi[mu / pi_b - 1] >= 0 wherever the condition holds: a backup lowers E_pi[Q]."""
    case = drawn.case
    chances = _softmax_of_covered(case.action_value, case.behavior)
    near = mix_policies(chances, case.policy, float(case.generator("slow").choice([0.01, 0.1, 0.5])))
    held = _spare(near, chances, case.behavior) >= 0.0
    if not held.any():
        return None
    lowered = (near * (action_ratio(chances, case.behavior) - 1.0)).sum(axis=1)
    return at_least(float(lowered[held].min()), 0.0, 1.0)


def _theorem_33_settled(drawn: _Conservative) -> Measurement | None:
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


def _theorem_34(drawn: _Conservative) -> Measurement | None:
    """One backup of CQL's and the true values, with twice the least alpha that the proof names, plus r_max."""
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
    alpha = 2.0 * float(least) + mdp.reward_bound
    expanded = low - alpha * (action_ratio(drawn.mu, case.behavior) - 1.0)
    gain = (apart * (expanded - true)).sum(axis=1)
    found = at_least(float(gain.min()), 0.0, drawn.scale + alpha, bool(differs.all()))
    return replace(found, settings=f"α = {alpha:.3g}")


def _theorem_34_one_alpha(drawn: _Conservative) -> Measurement:
    """At the fixed points, where both gaps are those of one alpha."""
    apart = drawn.case.behavior - drawn.mu
    difference = drawn.value(drawn.mdp, drawn.mu, 1.0) - drawn.case.action_value
    gain = (1.0 - drawn.mdp.discount) * (apart * difference).sum(axis=1)
    return at_least(float(gain.min()), 0.0, drawn.scale)


def _theorem_35(drawn: _Conservative) -> Measurement:
    case = drawn.case
    start = float(drawn.mdp.initial @ drawn.of_policy(drawn.value(drawn.mdp, case.policy, 1.0)))
    divergence = action_divergence(case.policy, case.behavior)
    objective = case.expected_return - drawn.alpha * float(case.policy_occupancy.sum(axis=1) @ divergence)
    return equal((1.0 - drawn.mdp.discount) * start, objective, drawn.scale)


def _claim(
    name: str,
    source: str,
    statement: str,
    measure: Callable[[_Conservative], Measurement | None],
    expected: Verdict = Verdict.HOLDS,
    *,
    condition: str = "",
    relation: Relation = Relation.AT_MOST,
) -> Claim:
    def measured(case: Case) -> Measurement | None:
        if case.n_pairs > _PAIRS:
            return None
        drawn = _conservative(case)
        found = measure(drawn)
        return found and replace(found, settings=found.settings or f"α = {drawn.alpha:.3g}")

    return Claim(
        name=name,
        source=source,
        statement=statement,
        relation=relation,
        measure=measured,
        expected=Verdict.HOLDS_WITH_CONDITION if condition else expected,
        condition=condition,
        tolerance=_ROUNDING,
    )


CLAIMS = (
    _claim(
        "cql-3.1",
        "CQL, Theorem 3.1 with exact data",
        "Eq. 1 with any α > 0 and any μ that the data cover: Q̂(s,a) <= Q(s,a) at every pair of the data",
        _theorem_31,
    ),
    _claim(
        "cql-3.1-sampled",
        "CQL, Theorem 3.1",
        "Q̂ <= Q - α (I-γP*_π)⁻¹[μ/π_b] + (I-γP*_π)⁻¹[2γ r_max/(1-γ) ‖P̂-P*‖₁], P̂ the data's",
        _theorem_31_sampled,
        condition="the conservative values stay within 2 r_max/(1-γ), which a large α forbids",
    ),
    _claim(
        "cql-3.1-mended",
        "remedy for CQL, Theorem 3.1",
        "Q̂ <= Q - α (I-γP̂_π)⁻¹[μ/π_b] + (I-γP*_π)⁻¹[γ r_max/(1-γ) ‖P̂-P*‖₁]: the penalty adds up in P̂",
        _theorem_31_mended,
    ),
    _claim(
        "cql-3.2",
        "CQL, Theorem 3.2 with exact data",
        "Eq. 2 with μ = π and any α > 0: E_π[Q̂] <= V(s) at every state",
        _theorem_32,
    ),
    _claim(
        "cql-3.2-every-pair",
        "CQL, Theorem 3.2, pair by pair (a control: the paper says that it is lost)",
        "Eq. 2 with μ = π: Q̂(s,a) <= Q(s,a) at every pair of the data",
        _theorem_32_every_pair,
        Verdict.FAILS_AS_PRINTED,
    ),
    _claim(
        "cql-3.2-any-mu",
        "CQL, Theorem 3.2 without its condition",
        "Eq. 2 with any μ that the data cover: E_π[Q̂] <= V(s) at every state",
        _theorem_32_any_mu,
        condition="μ = π",
    ),
    _claim(
        "cql-3.2-sampled",
        "CQL, Theorem 3.2",
        "E_π[Q̂] <= V for α = max_s E_π[2γ r_max/(1-γ) ‖P̂-P*‖₁] / min_s Σ π(π/π_b - 1), P̂ the data's",
        _theorem_32_sampled,
    ),
    _claim(
        "cql-3.3",
        "CQL, Theorem 3.3",
        "E_π[Q̂] <= V_π after an iteration from exact values, π the softmax of these (so that ε = 0)",
        _theorem_33,
        Verdict.FAILS_AS_PRINTED,
    ),
    _claim(
        "cql-3.3-one-step",
        "CQL, Theorem 3.3 (what its proof shows)",
        "where E_p[p/π_b - 1] >= max p/π_b TV(π,p), p = softmax(Q̂): E_π[p/π_b - 1] >= 0, a backup lowers E_π[Q̂]",
        _theorem_33_one_step,
    ),
    _claim(
        "cql-3.3-settled",
        "remedy for CQL, Theorem 3.3",
        "under that condition E_π[Q̂] <= V_π at the fixed point of Eq. 4 for π",
        _theorem_33_settled,
    ),
    _claim(
        "cql-3.4",
        "CQL, Theorem 3.4",
        "for α_k large enough E_b[Q̂] - E_μ[Q̂] > E_b[Q] - E_μ[Q] at every state",
        _theorem_34,
        condition="μ differs from π_b at every state; where it does not, both sides are zero",
        relation=Relation.BELOW,
    ),
    _claim(
        "cql-3.4-one-alpha",
        "CQL, Theorem 3.4 with one α for all iterations",
        "E_b[Q̂] - E_μ[Q̂] >= E_b[Q] - E_μ[Q] at the fixed points: what α adds is a multiple of it",
        _theorem_34_one_alpha,
        Verdict.FAILS_AS_PRINTED,
    ),
    _claim(
        "cql-3.5",
        "CQL, Theorem 3.5",
        "Eq. 2 with μ = π: (1-γ) E_{μ0,π}[Q̂] = J(π,P*) - α E_{d_π}[Σ π(π/π_b - 1)]",
        _theorem_35,
        relation=Relation.EQUAL,
    ),
)
