"""Claims of MOReL: how far the pessimistic MDP's returns are from the true ones.  Source: theory.md, section 10.

Kidambi et al., "MOReL: Model-Based Offline Reinforcement Learning" (NeurIPS 2020). Its numbers and wording are quoted
from memory; searches of public pages found readers' notes that agree on the definitions, and not the theorems' text.
Corollary 3 bounds by an unnamed constant and is not tried.

The detector is exact: a pair is known if the total variation (sup over events) of its rows is at most alpha, which is
drawn among those of the case. kappa is r_max, and the model starts from other states than the truth. The paper's
returns are 1 / (1 - discount) times ours, so its inequalities are multiplied by 1 - discount.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np

from ampl.claims.claim import Measurement
from tabular.bounds.pessimistic_mdp import discounted_hitting_time, pessimistic_mdp, with_halt
from tabular.bounds.theorem1 import next_state_total_variation
from tabular.claims.aligned_case import at_least
from tabular.claims.case import Case
from tabular.claims.drawn_case import drawn_claim
from tabular.exact.occupancy import expected_return
from tabular.exact.policy import optimal_policy
from tabular.mdps.generators import random_rows
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Mask, Policy, StateDistribution


@dataclass(frozen=True, kw_only=True, eq=False)
class _Detected:
    """A case with a detector of unknown pairs and the model's start distribution."""

    case: Case
    mdp: FiniteMDP
    alpha: float
    unknown: Mask
    start: StateDistribution

    @property
    def start_error(self) -> float:
        """2 r_max TV(rho0, rho0_hat)."""
        return self.mdp.reward_bound * float(np.abs(self.start - self.mdp.initial).sum())

    @property
    def model_error(self) -> float:
        """2 discount r_max alpha / (1 - discount)."""
        return 2.0 * self.mdp.discount * self.mdp.reward_bound * self.alpha / (1.0 - self.mdp.discount)

    @cached_property
    def pessimistic(self) -> FiniteMDP:
        model = self.case.model.to_dense()
        moved = FiniteMDP(model.dynamics, model.reward, self.start, model.discount, name=model.name)
        return pessimistic_mdp(moved, self.unknown, self.mdp.reward_bound)

    @cached_property
    def estimate(self) -> float:
        """J(pi, M_p)."""
        return expected_return(self.pessimistic, with_halt(self.case.policy))

    def hitting_loss(self, policy: Policy) -> float:
        """2 r_max E[discount^T] for unknown pairs in the truth."""
        return 2.0 * self.mdp.reward_bound * discounted_hitting_time(self.mdp, policy, self.unknown)

    def at_least(self, larger: float, smaller: float, condition_met: bool = True) -> Measurement:
        """In units of r_max, or what the bounds allow if that is more."""
        scale = max(self.mdp.reward_bound, 1e-3) + self.model_error
        found = at_least(larger, smaller, scale, condition_met)
        return replace(found, settings=f"α = {self.alpha:.3g}, {int(self.unknown.sum())} pairs unknown")


@lru_cache(maxsize=4)
def _detected(case: Case) -> _Detected:
    generator = case.generator("morel")
    mdp = case.mdp.to_dense()
    variation = next_state_total_variation(mdp, case.model.to_dense())
    alpha = float(np.quantile(variation, generator.choice([0.0, 0.5, 1.0]), method="lower"))
    alpha = 0.0 if generator.random() < 0.3 else alpha
    share = float(generator.choice([0.0, 0.1, 1.0]))
    start = (1.0 - share) * mdp.initial + share * random_rows(mdp.initial.shape, generator)
    return _Detected(case=case, mdp=mdp, alpha=alpha, unknown=variation > alpha, start=start)


def _lower(drawn: _Detected) -> Measurement:
    lost = drawn.start_error + drawn.model_error + drawn.hitting_loss(drawn.case.policy)
    return drawn.at_least(drawn.estimate, drawn.case.expected_return - lost)


def _lower_sharper(drawn: _Detected) -> Measurement:
    lost = drawn.start_error + drawn.model_error + drawn.mdp.discount * drawn.hitting_loss(drawn.case.policy)
    return drawn.at_least(drawn.estimate, drawn.case.expected_return - lost)


def _upper(drawn: _Detected) -> Measurement:
    return drawn.at_least(drawn.case.expected_return + drawn.start_error + drawn.model_error, drawn.estimate)


def _lower_bound_of_the_truth(drawn: _Detected) -> Measurement:
    exact = drawn.alpha == 0.0 and drawn.start_error == 0.0
    return drawn.at_least(drawn.case.expected_return, drawn.estimate, exact)


def _corollary_2(drawn: _Detected) -> Measurement:
    best = optimal_policy(drawn.mdp)
    planned = optimal_policy(drawn.pessimistic)[:-1]
    lost = 2.0 * drawn.start_error + 2.0 * drawn.model_error + drawn.hitting_loss(best)
    return drawn.at_least(expected_return(drawn.mdp, planned), expected_return(drawn.mdp, best) - lost)


def _hitting_time(drawn: _Detected) -> Measurement:
    mass = float(drawn.case.policy_occupancy[drawn.unknown].sum())
    left = (1.0 - drawn.mdp.discount) * discounted_hitting_time(drawn.mdp, drawn.case.policy, drawn.unknown)
    return Measurement(left=left if left > 1e-12 else 0.0, right=mass)


_claim = partial(drawn_claim, _detected, lambda _: "")  # `_Detected.at_least` says what was drawn

CLAIMS = (
    _claim(
        "morel-1-lower",
        "MOReL, Theorem 1",
        "J(π,M_p) >= J(π,P*) - 2 r_max (TV(ρ₀,ρ̂₀) + γα/(1-γ) + E[γ^T]), T the first unknown pair",
        _lower,
    ),
    _claim(
        "morel-1-lower-sharper",
        "finding on MOReL, Theorem 1",
        "the same with E[γ^(T+1)]: the unknown pair itself still pays its reward",
        _lower_sharper,
    ),
    _claim(
        "morel-1-upper",
        "MOReL, Theorem 1",
        "J(π,M_p) <= J(π,P*) + 2 r_max (TV(ρ₀,ρ̂₀) + γα/(1-γ))",
        _upper,
    ),
    _claim(
        "morel-lower-bound",
        "MOReL, Theorem 1 (implied)",
        "the pessimistic MDP's return is a lower bound: J(π,M_p) <= J(π,P*)",
        _lower_bound_of_the_truth,
        condition="known pairs are exact (α = 0) and so are the starts",
    ),
    _claim(
        "morel-corollary-2",
        "MOReL, Corollary 2",
        "J(π*,P*) - J(π̂,P*) <= 4 r_max (TV(ρ₀,ρ̂₀) + γα/(1-γ)) + 2 r_max E[γ^T], T of π*, π̂ optimal in M_p",
        _corollary_2,
    ),
    _claim(
        "morel-hitting-time",
        "MOReL, Lemma 3",
        "E[γ^T] <= d_π(unknown pairs) / (1-γ)",
        _hitting_time,
    ),
)
