"""Claims of MOPO: the penalized lower bound.  Source: docs/theory.md, section 5.

Wasserstein forms. As in `value_errors.py`, G = E[grad V((X + Y) / 2) . (X - Y)] for X ~ P_hat and Y ~ P* coupled in any
way and r = -x'Wx. By Cauchy and Schwarz under d_pi of the model and the optimal coupling of W2 (linear for Gaussians),
|E[G]| <= sqrt(E |grad V((X + Y) / 2)|^2) sqrt(E[W2^2]), whatever the covariances; all terms are means of quadratic
functions.

The bounded reward exp(-x'Wx/2) has slope at most L = sqrt(lambda_max(W) / e). Two paths with the same noise are apart
by (I; K) M^t (s - s'), so Lip(V) <= L |(I; K)| sum_t gamma^t |M^t| for M = A + B K, and MOPO's form holds as printed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.errors import NotConvergedError
from continuous.claims.case import Case
from continuous.claims.contraction import total_variation
from continuous.claims.sampling import mean_interval
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.marginals import discount_horizon
from continuous.linear_gaussian.problem import closed_loop
from continuous.linear_gaussian.square_roots import square_root

_SAMPLES = 4000


@lru_cache(maxsize=1)
def _mean_uncertainty(case: Case) -> tuple[float, float, float]:
    """E[u] under d_pi of the model, u = |P_hat - P*|_1 = 2 TV: at least, about and at most.

    u is a concave increasing function of the Mahalanobis distance d of the two means, so E[u] is at most u at
    sqrt(E[d^2]), a formula; call that c. And E[u] >= E[min(u, c)], a mean of terms in [0, c], which samples bound from
    below but for a probability of 1e-6.
    """
    covariance = case.model.covariance
    pairs = case.model_occupancy.sample(_SAMPLES, case.generator("penalty"))
    apart = case.model.next_mean(pairs) - case.mdp.dynamics.next_mean(pairs)
    uncertainty = 2.0 * total_variation(apart, covariance)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    most = 2.0 * math.erf(math.sqrt(_mean_square_apart(case, whiten) / 8.0))
    least, _ = mean_interval(np.minimum(uncertainty, most), 0.0, most)
    return max(least, 0.0), min(float(uncertainty.mean()), most), most


def _total_variation_penalty(loss: Callable[[Case], float]) -> Callable[[Case], Measurement | None]:
    """A loss against lambda E[u], lambda = gamma / (1 - gamma).

    Above lambda times the most that E[u] can be it contradicts the claim, below lambda times the least it agrees.

    Raises:
        NotConvergedError: the loss is between the two.
    """

    def measure(case: Case) -> Measurement | None:
        if not case.has_noise_of_truth or case.discount == 0.0:
            return None
        lost, weight = loss(case), case.discount / (1.0 - case.discount)
        least, about, most = (weight * uncertainty for uncertainty in _mean_uncertainty(case))
        if least < lost <= most:
            raise NotConvergedError(f"{_SAMPLES:,} samples put the penalty between {least:.2g} and {most:.2g}.")
        return Measurement(left=lost, right=about if lost <= least else most)

    return measure


def _mean_square_apart(case: Case, of: Floats) -> float:
    """E |of (m_hat - m*)|^2 under d_pi of the model."""
    truth = case.mdp.dynamics
    return case.model_occupancy.expectation_of_square(
        of @ (case.model.matrix - truth.matrix), of @ (case.model.offset - truth.offset)
    )


def _unpenalized(case: Case) -> Measurement:
    return Measurement(left=max(case.optimism, 0.0), right=0.0)


def _unbounded_penalty(case: Case) -> Measurement:
    """The quadratic reward, with the largest |r| among the data in the place of r_max and the most that E[u] can be.

    u <= 2, and u <= sqrt(2 KL) by Pinsker; so a loss above this penalty is one above MOPO's.
    """
    largest = float(np.abs(case.quadratic.reward(case.data)).max())
    loss = case.quadratic_return_in_model - case.quadratic_return
    covariance, other = case.mdp.dynamics.covariance, case.model.covariance
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    spread = whiten @ other @ whiten.T
    divergence = 0.5 * (
        _mean_square_apart(case, whiten) + float(np.trace(spread)) - len(spread) - float(np.linalg.slogdet(spread)[1])
    )
    most = min(2.0, math.sqrt(2.0 * max(divergence, 0.0)))
    rounding = 1e-9 * case.quadratic_scale
    penalty = case.discount * largest / (1.0 - case.discount) * most
    return Measurement(left=loss if loss > rounding else 0.0, right=penalty)


def _coupling(case: Case) -> tuple[float, Floats]:
    """W2^2 of the two noises, and the covariance of (X + Y) / 2 where X and Y have them and are coupled optimally."""
    model, truth = case.model.covariance, case.mdp.dynamics.covariance
    values, vectors = np.linalg.eigh(model)
    root, inverse = ((vectors * values**power) @ vectors.T for power in (0.5, -0.5))
    between = square_root(root @ truth @ root)
    left, singular, _ = np.linalg.svd(between)
    transport = inverse @ (left * singular) @ left.T @ inverse  # Y = transport X
    crossed = model @ transport
    square = float(np.trace(model + truth - 2.0 * crossed))
    return max(square, 0.0), (model + truth + crossed + crossed.T) / 4.0


def _lower_bound_lipschitz(case: Case) -> Measurement:
    """MOPO's Wasserstein form for the bounded reward; W1 <= W2, and E[W2] <= sqrt(E[W2^2]), which is a formula."""
    matrix, _, _ = closed_loop(case.mdp.dynamics, case.policy)
    size = len(matrix)
    powers = [np.eye(size)]  # gamma^t M^t
    while len(powers) < discount_horizon(case.discount) and np.abs(powers[-1]).max() > 1e-15:
        powers.append(case.discount * matrix @ powers[-1])
    spread = float(np.linalg.norm(np.stack(powers), 2, axis=(1, 2)).sum())
    slope = math.sqrt(float(np.linalg.eigvalsh(case.mdp.reward.matrix)[-1]) / math.e)
    lipschitz = slope * float(np.linalg.norm(np.vstack((np.eye(size), case.policy.gain)), 2)) * spread
    apart = math.sqrt(_mean_square_apart(case, np.eye(size)) + _coupling(case)[0])
    return Measurement(left=max(case.optimism, 0.0), right=case.discount * lipschitz * apart)


def _lower_bound_quadratic(case: Case) -> Measurement:
    """The Wasserstein form for the quadratic reward: see the top of this file."""
    truth, value, size = case.mdp.dynamics, case.value, case.mdp.dynamics.state_size
    square, spread = _coupling(case)
    apart = _mean_square_apart(case, np.eye(size)) + square
    steepness = case.model_occupancy.expectation_of_square(
        value.matrix @ (case.model.matrix + truth.matrix),
        value.matrix @ (case.model.offset + truth.offset) + 2.0 * value.vector,
    ) + 4.0 * float(np.trace(value.matrix @ spread @ value.matrix))
    loss = case.quadratic_return_in_model - case.quadratic_return
    rounding = 1e-9 * case.quadratic_scale
    return Measurement(left=loss if loss > rounding else 0.0, right=case.discount * math.sqrt(steepness * apart))


CLAIMS = (
    Claim(
        name="gaussian-mopo-lower-bound",
        source="MOPO, Eq. 7",
        statement="J(π,P*) >= E_{d_π under P̂}[r - λu], u = ‖P̂ - P*‖₁ (left: optimism; sampled: wrong once in 10⁶)",
        relation=Relation.AT_MOST,
        measure=_total_variation_penalty(lambda case: max(case.optimism, 0.0)),
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-mopo-two-sided",
        source="MOPO, Eq. 12",
        statement="|J(π,P*) - J(π,P̂)| <= λ E_{d_π under P̂}[u] (sampled: wrong once in 10⁶)",
        relation=Relation.AT_MOST,
        measure=_total_variation_penalty(lambda case: abs(case.optimism)),
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-mopo-unpenalized",
        source="MOPO, Eq. 7 with λ = 0",
        statement="J(π,P*) >= J(π,P̂) (left: the model's optimism)",
        relation=Relation.AT_MOST,
        measure=_unpenalized,
        expected=Verdict.FAILS_AS_PRINTED,
        kind="continuous",
    ),
    Claim(
        name="gaussian-mopo-unbounded",
        source="MOPO, Eq. 7 with the data's largest reward",
        statement="Eq. 7 with r = -x'Wx, r_max the largest |r| in 1,000 rows of data (right: the most λE[u] can be)",
        relation=Relation.AT_MOST,
        measure=_unbounded_penalty,
        expected=Verdict.FAILS_AS_PRINTED,
        kind="continuous",
    ),
    Claim(
        name="gaussian-mopo-lipschitz",
        source="MOPO, Eq. 7 by section 4.1 (ii)",
        statement="J(π,P*) >= J(π,P̂) - γ Lip(V) √E[W2(P̂,P*)²] under d_π of P̂, r = exp(-x'Wx/2)",
        relation=Relation.AT_MOST,
        measure=_lower_bound_lipschitz,
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-mopo-wasserstein",
        source="MOPO, Eq. 7, corrected for quadratic rewards",
        statement="J(π,P*) >= J(π,P̂) - γ √E|∇V((X+Y)/2)|² √E[W2(P̂,P*)²], X ~ P̂ and Y ~ P* coupled, r = -x'Wx",
        relation=Relation.AT_MOST,
        measure=_lower_bound_quadratic,
        expected=Verdict.HOLDS,
        tolerance=1e-7,
        kind="continuous",
    ),
)
