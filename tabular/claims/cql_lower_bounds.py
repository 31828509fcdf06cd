"""Claims of CQL: what its values bound from below, with exact data and with a model's errors (Theorems 3.1 and 3.2).

Source: theory.md, section 10.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Measurement
from tabular.bounds.conservative_value import action_divergence, action_ratio
from tabular.claims.cql_case import ConservativeCase, conservative_claim
from tabular.exact.occupancy import action_value
from tabular.exact.policy_gradient import action_value_of

_LARGEST_ALPHA = 1e6  # beyond, float64 cannot tell values of the rewards' scale apart


def _theorem_31(drawn: ConservativeCase) -> Measurement:
    low = drawn.value(drawn.mdp, drawn.mu, 0.0)
    return drawn.below(low[drawn.covered], drawn.case.action_value[drawn.covered])


def _theorem_31_sampled(drawn: ConservativeCase) -> Measurement:
    """Q_hat <= Q - alpha S[mu / pi_b] + S[error], S = (I - discount P_pi)^-1 under P*."""
    low = drawn.value(drawn.model, drawn.mu, 0.0)
    penalty = drawn.alpha * action_ratio(drawn.mu, drawn.case.behavior)
    bound = action_value_of(drawn.mdp, drawn.case.policy, drawn.mdp.reward - penalty + drawn.error)
    largest = 2.0 * drawn.mdp.reward_bound / (1.0 - drawn.mdp.discount)
    stays = float(np.abs(drawn.of_policy(low)).max()) <= largest
    return drawn.below(low[drawn.covered], bound[drawn.covered], stays)


def _theorem_31_mended(drawn: ConservativeCase) -> Measurement:
    """The penalty adds up along the empirical dynamics, and half the error is enough."""
    low = drawn.value(drawn.model, drawn.mu, 0.0)
    penalty_alone = low - action_value(drawn.model, drawn.case.policy)
    bound = action_value_of(drawn.mdp, drawn.case.policy, drawn.mdp.reward + drawn.error / 2.0) + penalty_alone
    return drawn.below(low[drawn.covered], bound[drawn.covered])


def _theorem_32(drawn: ConservativeCase) -> Measurement:
    low = drawn.value(drawn.mdp, drawn.case.policy, 1.0)
    return drawn.below(drawn.of_policy(low), drawn.case.state_value)


def _theorem_32_every_pair(drawn: ConservativeCase) -> Measurement:
    low = drawn.value(drawn.mdp, drawn.case.policy, 1.0)
    return drawn.below(low[drawn.covered], drawn.case.action_value[drawn.covered])


def _theorem_32_any_mu(drawn: ConservativeCase) -> Measurement:
    low = drawn.value(drawn.mdp, drawn.mu, 1.0)
    return drawn.below(drawn.of_policy(low), drawn.case.state_value, drawn.mu_is_policy)


def _theorem_32_sampled(drawn: ConservativeCase) -> Measurement | None:
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


CLAIMS = (
    conservative_claim(
        "cql-3.1",
        "CQL, Theorem 3.1 with exact data",
        "Eq. 1 with any α > 0 and any μ that the data cover: Q̂(s,a) <= Q(s,a) at every pair of the data",
        _theorem_31,
    ),
    conservative_claim(
        "cql-3.1-sampled",
        "CQL, Theorem 3.1",
        "Q̂ <= Q - α (I-γP*_π)⁻¹[μ/π_b] + (I-γP*_π)⁻¹[2γ r_max/(1-γ) ‖P̂-P*‖₁], P̂ the data's",
        _theorem_31_sampled,
        condition="the conservative values stay within 2 r_max/(1-γ), which a large α forbids",
    ),
    conservative_claim(
        "cql-3.1-mended",
        "remedy for CQL, Theorem 3.1",
        "Q̂ <= Q - α (I-γP̂_π)⁻¹[μ/π_b] + (I-γP*_π)⁻¹[γ r_max/(1-γ) ‖P̂-P*‖₁]: the penalty adds up in P̂",
        _theorem_31_mended,
    ),
    conservative_claim(
        "cql-3.2",
        "CQL, Theorem 3.2 with exact data",
        "Eq. 2 with μ = π and any α > 0: E_π[Q̂] <= V(s) at every state",
        _theorem_32,
    ),
    conservative_claim(
        "cql-3.2-every-pair",
        "CQL, Theorem 3.2, pair by pair (a control: the paper says that it is lost)",
        "Eq. 2 with μ = π: Q̂(s,a) <= Q(s,a) at every pair of the data",
        _theorem_32_every_pair,
        Verdict.FAILS_AS_PRINTED,
    ),
    conservative_claim(
        "cql-3.2-any-mu",
        "CQL, Theorem 3.2 without its condition",
        "Eq. 2 with any μ that the data cover: E_π[Q̂] <= V(s) at every state",
        _theorem_32_any_mu,
        condition="μ = π",
    ),
    conservative_claim(
        "cql-3.2-sampled",
        "CQL, Theorem 3.2",
        "E_π[Q̂] <= V for α = max_s E_π[2γ r_max/(1-γ) ‖P̂-P*‖₁] / min_s Σ π(π/π_b - 1), P̂ the data's",
        _theorem_32_sampled,
    ),
)
