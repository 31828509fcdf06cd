"""Claims about Proposition 2: T is a contraction of factor gamma in L1(d_b).  Source: docs/theory.md, section 2.

For w d_b = p and w' d_b = p' the L1(d_b) distance of w and w' is that of the densities p and p', twice their TV. T
replaces p by gamma times its law one step later, and a term that is the same for both.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.errors import NotConvergedError
from continuous.claims.case import Case
from continuous.claims.sampling import mean_interval
from continuous.claims.weights import COMPONENTS, after_operator
from continuous.linear_gaussian.checks import Floats

_SAMPLES = 4000


def total_variation(apart: Floats, covariance: Floats) -> Floats:
    """TV of two Gaussians of one covariance, [n, n], whose means are apart by this, [..., n].

    The densities cross halfway, so it is 2 Phi(d / 2) - 1 = erf(d / sqrt(8)) for the Mahalanobis distance d.
    """
    solved = np.linalg.solve(covariance, apart[..., None])[..., 0]
    square = np.einsum("...i,...i->...", apart, solved)
    result: Floats = np.asarray(erf(np.sqrt(np.clip(square, 0.0, None) / 8.0)))
    return result


def _shifted(case: Case) -> Measurement:
    """In closed form, for w d_b the last law of d_pi and the same shifted."""
    law = case.policy_occupancy
    covariance = law.covariances[-1]
    root = np.linalg.cholesky(covariance)
    direction = case.generator("shift").standard_normal(len(covariance))
    apart = root @ direction * float(10.0 ** case.generator("distance").uniform(-2.0, 0.5))
    dynamics = case.mdp.dynamics
    after = dynamics.matrix @ apart
    _, spread = case.policy.joint(
        dynamics.offset, dynamics.matrix @ covariance @ dynamics.matrix.T + dynamics.covariance
    )
    moved = case.policy.mean(after) - case.policy.offset
    left = case.discount * float(total_variation(np.concatenate((after, moved)), spread))
    return Measurement(left=left, right=case.discount * float(total_variation(apart, covariance)))


def _first_iteration(case: Case) -> Measurement | None:
    """From w = 1, by sampling d_pi.

    TV(p, d_pi) = E_{d_pi}[(1 - p / d_pi)^+], a mean of terms in [0, 1], for p = d_b and p = (T 1) d_b; the difference
    of both terms, gamma times the first minus the second, is in [-1, gamma] and its mean must not be negative.

    Raises:
        NotConvergedError: zero is within the bounds of that mean.
    """
    law, data = case.policy_occupancy, case.behavior_occupancy
    pushed = after_operator(case, data)
    if case.behavior is case.policy or case.discount == 0.0:
        return None  # w = 1 is the fixed point, or T forgets it
    if len(law.shares) + len(data.shares) + len(pushed.shares) > COMPONENTS:
        return None
    points = law.sample(_SAMPLES, case.generator("first iteration"))
    reference = law.log_density(points)
    before, after = (np.clip(-np.expm1(other.log_density(points) - reference), 0.0, 1.0) for other in (data, pushed))
    lower, upper = mean_interval(case.discount * before - after, -1.0, case.discount)
    if lower < 0.0 <= upper:
        raise NotConvergedError(
            f"{_SAMPLES:,} samples leave the difference of the two sides between {lower:.2g} and {upper:.2g}."
        )
    return Measurement(left=float(after.mean()), right=case.discount * float(before.mean()))


CLAIMS = (
    Claim(
        name="gaussian-proposition2-l1",
        source="AMPL, Proposition 2",
        statement="‖T1 - w*‖ <= γ ‖1 - w*‖ in L1(d_b) (halves of both; by 4,000 samples: wrong once in 10⁶)",
        relation=Relation.AT_MOST,
        measure=_first_iteration,
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-proposition2-shifted",
        source="AMPL, Proposition 2",
        statement="‖Tw - Tw'‖ <= γ ‖w - w'‖ in L1(d_b), w d_b and w' d_b Gaussians of one covariance (halves of both)",
        relation=Relation.AT_MOST,
        measure=_shifted,
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
)
