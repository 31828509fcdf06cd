"""Claims of COMBO: when it bounds the return from below, and when it is tighter than CQL.  Source: theory.md, 10.

Yu et al., "COMBO: Conservative Offline Model-Based Policy Optimization" (NeurIPS 2021). Its numbers and wording are
quoted from memory; searches of public pages found a reader's notes that agree on the iterates, on Eq. 6 and on what
Proposition 4.2 compares, and not the paper's text. Theorem 4.3 hides constants in O(.) and is not tried.

The data are exact: their pairs are the behavior policy's occupancy, their dynamics the truth. rho is the policy's
occupancy in the case's model. The share f of real data is drawn for each case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Measurement, Relation
from tabular.bounds.conservative_value import action_ratio, mixed_mdp
from tabular.claims.aligned_case import at_least, equal
from tabular.claims.case import Case
from tabular.claims.drawn_case import drawn_claim
from tabular.exact.occupancy import expected_return, occupancy
from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats

_NO_PENALTY = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mixed:
    """A case with the share of real data and beta."""

    case: Case
    mdp: FiniteMDP
    model: FiniteMDP
    real_fraction: float
    beta: float

    @cached_property
    def data(self) -> Floats:
        """d, [S, A]."""
        return occupancy(self.mdp, self.case.behavior)

    def parts(self, model: FiniteMDP, real_fraction: float) -> tuple[FiniteMDP, Floats]:
        """What the Bellman backup sees, and (rho - d) / d_f."""
        rollouts = occupancy(model, self.case.policy)
        return mixed_mdp(model, self.mdp, self.data, rollouts, real_fraction)

    def estimate(self, mixed: FiniteMDP, ratio: Floats, beta: float) -> float:
        """(1 - discount) E_{mu0, pi}[Q_hat]."""
        value = action_value_of(mixed, self.case.policy, self.mdp.reward - beta * ratio)
        return (1.0 - self.mdp.discount) * float(self.mdp.initial @ (self.case.policy * value).sum(axis=1))

    def on_data(self, value: ActionValue) -> float:
        """E[Q] over states of the data and actions of the policy."""
        return float(self.data.sum(axis=1) @ (self.case.policy * value).sum(axis=1))

    @cached_property
    def criterion(self) -> float:
        """Proposition 4.2's (*): E[pi / pi_b] over rho less that over the data's states."""
        ratio = (self.case.policy * action_ratio(self.case.policy, self.case.behavior)).sum(axis=1)
        return float((occupancy(self.model, self.case.policy).sum(axis=1) - self.data.sum(axis=1)) @ ratio)


@lru_cache(maxsize=4)
def _mixed(case: Case) -> _Mixed:
    generator = case.generator("combo")
    return _Mixed(
        case=case,
        mdp=case.mdp.to_dense(),
        model=case.model.to_dense(),
        real_fraction=float(generator.choice([0.1, 0.5, 0.9])),
        beta=float(10.0 ** generator.uniform(-2.0, 1.0)) * max(case.mdp.reward_bound, 1e-3),
    )


def _proposition_41(drawn: _Mixed) -> Measurement:
    """At ten times the beta that could be needed: the estimate is J in the mixed dynamics - beta * mean penalty.

    Where the mean penalty is zero, as for pi = pi_b, beta changes nothing, and the one drawn for the case is taken.
    """
    mixed, ratio = drawn.parts(drawn.model, drawn.real_fraction)
    mean_penalty = float(np.vdot(occupancy(mixed, drawn.case.policy), ratio))
    without = expected_return(mixed, drawn.case.policy)
    missing = abs(without - drawn.case.expected_return) + 0.1 * drawn.mdp.reward_bound
    beta = 10.0 * missing / abs(mean_penalty) if abs(mean_penalty) > _NO_PENALTY else drawn.beta
    estimate = drawn.estimate(mixed, ratio, beta)
    scale = missing + drawn.mdp.reward_bound
    found = at_least(drawn.case.expected_return, estimate, max(scale, 1e-3), mean_penalty > _NO_PENALTY)
    return replace(found, settings=f"f = {drawn.real_fraction:g}, β = {beta:.3g}")


def _exact_model(drawn: _Mixed) -> Measurement:
    estimate = drawn.estimate(*drawn.parts(drawn.mdp, drawn.real_fraction), drawn.beta)
    return at_least(drawn.case.expected_return, estimate, max(drawn.mdp.reward_bound + drawn.beta, 1e-3))


def _penalty_is_a_divergence(drawn: _Mixed) -> Measurement:
    rollouts = occupancy(drawn.model, drawn.case.policy)
    _, ratio = drawn.parts(drawn.model, drawn.real_fraction)
    mixture = drawn.real_fraction * drawn.data + (1.0 - drawn.real_fraction) * rollouts
    mean_square = float((mixture * ratio**2).sum())
    return Measurement(left=float(np.vdot(rollouts, ratio)), right=drawn.real_fraction * mean_square)


def _proposition_42(drawn: _Mixed) -> Measurement | None:
    """The fixed points of both, with beta for CQL's alpha."""
    if drawn.criterion > 0.0:
        return None
    mixed, ratio = drawn.parts(drawn.model, drawn.real_fraction)
    ours = action_value_of(mixed, drawn.case.policy, drawn.mdp.reward - drawn.beta * ratio)
    penalty = drawn.beta * (action_ratio(drawn.case.policy, drawn.case.behavior) - 1.0)
    cql = action_value_of(drawn.mdp, drawn.case.policy, drawn.mdp.reward - penalty)
    scale = max(drawn.mdp.reward_bound + drawn.beta, 1e-3) / (1.0 - drawn.mdp.discount)
    return at_least(drawn.on_data(ours), drawn.on_data(cql), scale)


def _proposition_42_one_step(drawn: _Mixed) -> Measurement | None:
    """One backup of the same values for f = 1, where d_f is d: the backups cancel, the penalties are left."""
    _, ratio = drawn.parts(drawn.model, 1.0)
    rollouts = occupancy(drawn.model, drawn.case.policy)
    if rollouts[drawn.data.sum(axis=1) <= 0.0].any():  # states without data, where d_f is zero
        return None
    cql = action_ratio(drawn.case.policy, drawn.case.behavior) - 1.0
    return equal(drawn.on_data(cql - ratio), -drawn.criterion, 1.0 + abs(drawn.criterion))


_claim = partial(drawn_claim, _mixed, lambda drawn: f"f = {drawn.real_fraction:g}, β = {drawn.beta:.3g}")

CLAIMS = (
    _claim(
        "combo-4.1",
        "COMBO, Proposition 4.1",
        "for β large enough (1-γ) E_{μ0,π}[Q̂] <= J(π,P*), with exact data",
        _proposition_41,
        condition="(ρ - d)/d_f is positive on average over π's occupancy in the dynamics that the backup mixes",
    ),
    _claim(
        "combo-4.1-exact-model",
        "COMBO, Proposition 4.1 with an exact model",
        "for P̂ = P* every β > 0 gives (1-γ) E_{μ0,π}[Q̂] <= J(π,P*)",
        _exact_model,
    ),
    _claim(
        "combo-eq6",
        "COMBO, Eq. 6",
        "ν(ρ,f) = E_ρ[(ρ-d)/d_f] = f E_{d_f}[((ρ-d)/d_f)²] >= 0",
        _penalty_is_a_divergence,
        relation=Relation.EQUAL,
    ),
    _claim(
        "combo-4.2",
        "COMBO, Proposition 4.2",
        "if E_ρ[π/π_b] <= E_{d,π}[π/π_b], then E_{d,π}[Q̂] is at least that of CQL (fixed points, β = α)",
        _proposition_42,
        Verdict.FAILS_AS_PRINTED,
    ),
    _claim(
        "combo-4.2-one-step",
        "remedy for COMBO, Proposition 4.2",
        "one backup of the same values with f = 1: E_{d,π}[Q̂] exceeds CQL's by β (E_{d,π}[π/π_b] - E_ρ[π/π_b])",
        _proposition_42_one_step,
        relation=Relation.EQUAL,
    ),
)
