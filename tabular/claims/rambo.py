"""Claims of RAMBO: the worst model's return is a lower bound, and the gradient that finds it.  Source: theory.md, 10.

Rigter et al., "RAMBO-RL: Robust Adversarial Model-Based Offline Reinforcement Learning" (NeurIPS 2022). Its numbers and
wording are quoted from memory; searches of public pages found the paper's abstract and no text of the statements. Its
Theorem 1 has unnamed constants and is not tried; what it rests on is.

Sets are rectangular: each pair has a radius of its own, a multiple of the true total variation of its rows. A set that
holds the truth of every pair also does where the radii are dealt out of one budget, as the paper's is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from ampl.claims.claim import Measurement, Relation
from tabular.bounds.robust_value import robust_optimum, worst_model
from tabular.bounds.theorem1 import next_state_total_variation
from tabular.claims.aligned_case import at_least
from tabular.claims.case import Case
from tabular.claims.drawn_case import drawn_claim
from tabular.exact.linear_solvers import NEAR_ONE
from tabular.exact.occupancy import expected_return
from tabular.types import Floats

_STEP = 1e-100  # of the complex step, which subtracts nothing


@lru_cache(maxsize=4)
def _radius(case: Case) -> Floats:
    """The true total variation of each pair, [S, A], with what is only rounding on top."""
    return np.minimum(next_state_total_variation(case.mdp.to_dense(), case.model.to_dense()) + 1e-12, 1.0)


def _worst_return(case: Case, radius: Floats, policy: Floats) -> float:
    return expected_return(worst_model(case.model, radius, policy), policy)


def _lower_bound(case: Case) -> Measurement:
    size = float(case.generator("rambo").choice([0.0, 0.5, 1.0, 2.0]))
    radius = np.minimum(size * _radius(case), 1.0)
    worst = _worst_return(case, radius, case.policy)
    holds_truth = size >= 1.0 or float(_radius(case).max()) < 1e-11
    found = at_least(case.expected_return, worst, max(case.mdp.reward_bound, 1e-3), holds_truth)
    return Measurement(left=found.left, right=found.right, condition_met=holds_truth, settings=f"{size:g} times the TV")


def _guarantee(case: Case) -> Measurement:
    """Against the case's own policies."""
    radius = _radius(case)
    received = expected_return(case.mdp, robust_optimum(case.model, radius))
    promised = max(_worst_return(case, radius, policy) for policy in (case.policy, case.behavior))
    return at_least(received, promised, max(case.mdp.reward_bound, 1e-3))


def _gradient(centered: bool) -> Callable[[Case], Measurement | None]:
    """The slope of J along a random direction of the model's logits: the proposition against a complex step."""

    def measure(case: Case) -> Measurement | None:
        if case.discount > NEAR_ONE:
            return None
        rows = case.model.to_dense().dynamics
        direction = case.generator("direction").normal(size=rows.shape)
        slope = direction - (rows * direction).sum(axis=2, keepdims=True)  # of log P_hat
        following = case.mdp.reward[:, :, None] + case.discount * case.model_state_value
        if centered:
            following = following - case.model_action_value[:, :, None]
        stated = float((case.model_occupancy[:, :, None] * rows * following * slope).sum())
        weights = rows * np.exp(1j * _STEP * direction)
        moved = np.einsum("sa,sat->st", case.policy, weights / weights.sum(axis=2, keepdims=True))
        earned = (case.policy * case.mdp.reward).sum(axis=1)
        value = np.linalg.solve(np.eye(len(earned)) - case.discount * moved, earned)
        taken = (1.0 - case.discount) * float(case.mdp.initial @ value.imag) / _STEP
        return Measurement(left=stated, right=taken)

    return measure


_claim = partial(drawn_claim, lambda case: case, lambda _: "")  # measures draw for themselves

CLAIMS = (
    _claim(
        "rambo-lower-bound",
        "RAMBO, section 4",
        "the return in the worst model of the set is a lower bound: min_P J(π,P) <= J(π,P*)",
        _lower_bound,
        condition="the true dynamics are in the set",
    ),
    _claim(
        "rambo-guarantee",
        "RAMBO, Theorem 1 (what it rests on)",
        "for a set with the true dynamics J(π̂,P*) >= min_P J(π,P) for the case's two policies π, π̂ the maximin policy",
        _guarantee,
    ),
    _claim(
        "rambo-model-gradient",
        "RAMBO, Proposition 1",
        "∇_φ V = E_{d_π, P̂}[(r + γ V(s')) ∇_φ log P̂(s'|s,a)], d_π unnormalized (right: a complex step)",
        _gradient(centered=False),
        relation=Relation.EQUAL,
    ),
    _claim(
        "rambo-model-gradient-baseline",
        "RAMBO, Proposition 1 with its baseline",
        "the same with r + γ V(s') - Q(s,a) (right: a complex step)",
        _gradient(centered=True),
        relation=Relation.EQUAL,
    ),
)
