"""Claims of MOPO: telescoping and value errors.  Source: docs/theory.md, section 5.

With r = -x'Wx the value under P* is quadratic, V(s) = s'Hs + 2h's + c, so the value error
G(s, a) = E_{P_hat}[V] - E_{P*}[V] is a formula, and so is its mean under an occupancy.

A quadratic V has no Lipschitz constant, so the printed |G| <= Lip(V) W1 says nothing. But for any two states
V(x) - V(y) = grad V((x + y) / 2) . (x - y), because third derivatives vanish. Where both dynamics have one covariance,
couple X ~ P_hat and Y ~ P* by X - Y = m_hat - m*, whose length is W1 and W2 of the two; then
|G| <= |grad V((m_hat + m*) / 2)| W1, with equality in one dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from continuous.claims.case import ROUNDING, Case
from continuous.claims.contraction import total_variation
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.mixtures import GaussianMixture
from continuous.linear_gaussian.returns import expected_return

_PAIRS = 64


def _mean_value_error(case: Case, law: GaussianMixture) -> float:
    """E[G] under a law of (s, a), from the second moments of the next states."""
    value, means = case.value, []
    for dynamics in (case.model, case.mdp.dynamics):
        after = law.means @ dynamics.matrix.T + dynamics.offset
        spreads = dynamics.matrix @ law.covariances @ dynamics.matrix.T + dynamics.covariance
        means.append(float(law.shares @ (value(after) + np.einsum("ij,tji->t", value.matrix, spreads))))
    return means[0] - means[1]


def _telescoping(of_model: bool) -> Callable[[Case], Measurement]:
    """In units of the larger return; as printed, the occupancy has no hat."""

    def measure(case: Case) -> Measurement:
        law, scale = case.model_occupancy if of_model else case.policy_occupancy, case.quadratic_scale
        gap = case.quadratic_return_in_model - case.quadratic_return
        return Measurement(left=gap / scale, right=case.discount * _mean_value_error(case, law) / scale)

    return measure


def _return_under_the_model(case: Case) -> Measurement:
    law, scale = case.model_occupancy, case.quadratic_scale
    reward = float(law.shares @ case.quadratic.reward.expectation(law.means, law.covariances))
    corrected = reward - case.discount * _mean_value_error(case, law)
    return Measurement(left=case.quadratic_return / scale, right=corrected / scale)


def _value_error_total_variation(case: Case) -> Measurement | None:
    """At one pair, with the bounded reward: E_P[V] is the return from P(.|s, a) as the start."""
    if not case.has_noise_of_truth:
        return None
    pair = case.model_occupancy.sample(1, case.generator("pair"))[0]
    means, covariance = (
        [dynamics.next_mean(pair) for dynamics in (case.model, case.mdp.dynamics)],
        case.model.covariance,
    )
    imagined, real = (
        expected_return(replace(case.mdp, initial_mean=mean, initial_covariance=covariance), case.policy)
        for mean in means
    )
    error, apart = abs(imagined - real), float(total_variation(means[0] - means[1], covariance))
    horizon = 1.0 / (1.0 - case.discount)
    return Measurement(left=horizon * error if error > ROUNDING else 0.0, right=horizon * apart)


@lru_cache(maxsize=1)
def _at_pairs(case: Case) -> tuple[Floats, Floats, Floats]:
    """|G|, without what is only rounding, W1 and |grad V| halfway, at 64 pairs of d_pi in the model; one covariance."""
    pairs, value = case.model_occupancy.sample(_PAIRS, case.generator("pairs")), case.value
    imagined, real = case.model.next_mean(pairs), case.mdp.dynamics.next_mean(pairs)
    error = np.abs(value(imagined) - value(real))
    rounding = 1e-13 * (np.abs(value(imagined)) + np.abs(value(real)) + abs(value.constant))
    slope = np.linalg.norm((imagined + real) @ value.matrix + 2.0 * value.vector, axis=1)
    return np.maximum(error - rounding, 0.0), np.linalg.norm(imagined - real, axis=1), slope


def _worst(error: Floats, bound: Floats) -> Measurement:
    """The pair where the error is largest relative to its bound."""
    ratio = np.divide(error, bound, out=np.where(error > 0.0, np.inf, 0.0), where=bound > 0.0)
    pair = int(ratio.argmax())
    return Measurement(left=float(error[pair]), right=float(bound[pair]))


def _value_error_halfway(case: Case) -> Measurement | None:
    if not case.has_noise_of_truth:
        return None
    error, distance, slope = _at_pairs(case)
    return _worst(error, slope * distance)


def _value_error_by_data(case: Case) -> Measurement | None:
    """With the largest |grad V| among the data's states in the place of Lip(V)."""
    if not case.has_noise_of_truth:
        return None
    error, distance, _ = _at_pairs(case)
    states = case.data[:, : case.mdp.dynamics.state_size]
    steepest = float(np.linalg.norm(2.0 * (states @ case.value.matrix + case.value.vector), axis=1).max())
    return _worst(error, steepest * distance)


CLAIMS = (
    Claim(
        name="gaussian-telescoping",
        source="MOPO, Lemma 4.1",
        statement="J(π,P̂) - J(π,P*) = γ E_{d_π under P̂}[E_P̂ V - E_P* V], r = -x'Wx",
        relation=Relation.EQUAL,
        measure=_telescoping(of_model=True),
        expected=Verdict.HOLDS,
        tolerance=1e-7,  # near the edge of stability
        kind="continuous",
    ),
    Claim(
        name="gaussian-telescoping-printed",
        source="MOPO, Lemma 4.1 as printed",
        statement="J(π,P̂) - J(π,P*) = γ E_{d_π under P*}[E_P̂ V - E_P* V], r = -x'Wx (the occupancy without its hat)",
        relation=Relation.EQUAL,
        measure=_telescoping(of_model=False),
        expected=Verdict.FAILS_AS_PRINTED,
        tolerance=1e-7,
        kind="continuous",
    ),
    Claim(
        name="gaussian-return-under-model",
        source="MOPO, Eq. 2",
        statement="J(π,P*) = E_{d_π under P̂}[r - γG], r = -x'Wx",
        relation=Relation.EQUAL,
        measure=_return_under_the_model,
        expected=Verdict.HOLDS,
        tolerance=1e-7,
        kind="continuous",
    ),
    Claim(
        name="gaussian-value-error-tv",
        source="MOPO, section 4.1 (i) as printed",
        statement="|G(s,a)| <= r_max/(1-γ) sup_A |P̂(A) - P*(A)|, rewards in [0, r_max]",
        relation=Relation.AT_MOST,
        measure=_value_error_total_variation,
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-value-error-data-slope",
        source="MOPO, section 4.1 (ii) with the data's steepest value",
        statement="|G(s,a)| <= c W1(P̂,P*), c the largest |∇V| in 1,000 rows of data, r = -x'Wx (V has no Lip(V))",
        relation=Relation.AT_MOST,
        measure=_value_error_by_data,
        expected=Verdict.FAILS_AS_PRINTED,
        kind="continuous",
    ),
    Claim(
        name="gaussian-value-error-halfway",
        source="MOPO, section 4.1 (ii), corrected for quadratic rewards",
        statement="|G(s,a)| <= |∇V((m̂+m*)/2)| W1(P̂,P*), m̂ and m* the mean next states, r = -x'Wx",
        relation=Relation.AT_MOST,
        measure=_value_error_halfway,
        expected=Verdict.HOLDS,
        tolerance=1e-7,  # of differences between values next to each other
        kind="continuous",
    ),
)
