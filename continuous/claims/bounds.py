"""Claims about returns in a model: Theorem 1, its sharp forms, Eq. 7.  Source: docs/theory.md, section 4.

Rewards are exp(-x'Wx/2), so in [0, r_max] with r_max = 1; then half of the bounds for signed rewards suffices.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.return_bounds import SQRT_2, sharp_constant, stopped_path_bound, theorem1_bound
from continuous.claims.case import Case
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.optimum import optimal_policy
from continuous.linear_gaussian.problem import AffineGaussianPolicy
from continuous.linear_gaussian.returns import quadratic_value

_OTHER_POLICIES = 8


def _return_by_two_routes(case: Case) -> Measurement:
    """The Lyapunov equation against the sum over steps, in units of the larger."""
    law = case.policy_occupancy
    summed = float(law.shares @ case.quadratic.reward.expectation(law.means, law.covariances))
    scale = max(abs(summed), abs(case.quadratic_return), 1e-300)
    return Measurement(left=case.quadratic_return / scale, right=summed / scale)


def _chain_rule(case: Case) -> Measurement:
    """D_pi from KLs of the joints over (s', a'), as Theorem 1 prints it, against the sum of its two parts."""
    truth, model = case.mdp.dynamics, case.model
    true_matrix, true_offset, true_spread = _joint(case.behavior, truth.matrix, truth.offset, truth.covariance)
    matrix, offset, spread = _joint(case.policy, model.matrix, model.offset, model.covariance)
    precision, (_, log_determinant), (_, true_log_determinant) = (
        np.linalg.inv(spread), np.linalg.slogdet(spread), np.linalg.slogdet(true_spread)
    )  # fmt: skip
    law, apart, aside = case.policy_occupancy, true_matrix - matrix, true_offset - offset
    means = law.means @ apart.T + aside
    spreads = apart @ law.covariances @ apart.T
    square = np.einsum("ti,ij,tj->t", means, precision, means) + np.einsum("ij,tji->t", precision, spreads)
    trace = float(np.einsum("ij,ji->", precision, true_spread)) - len(spread)
    joint = 0.5 * (float(law.shares @ square) + trace + float(log_determinant - true_log_determinant))
    scale = max(1.0, abs(case.divergence))
    return Measurement(left=joint / scale, right=case.divergence / scale)


def _joint(
    policy: AffineGaussianPolicy, matrix: Floats, offset: Floats, covariance: Floats
) -> tuple[Floats, Floats, Floats]:
    """Of (s', a') given x: its mean as a matrix and an offset, and its covariance."""
    along = np.vstack((np.eye(len(matrix)), policy.gain))
    mean, spread = policy.joint(offset, covariance)
    return along @ matrix, mean, spread


def _theorem1(constant: Callable[[float], float], *, part: str = "divergence") -> Callable[[Case], Measurement]:
    def measure(case: Case) -> Measurement:
        bound = theorem1_bound(getattr(case, part), case.discount, 1.0, constant(case.discount))
        return Measurement(left=abs(case.optimism), right=bound)

    return measure


def _never_vacuous(case: Case) -> Measurement:
    """Half of the bound for signed rewards."""
    return Measurement(left=abs(case.optimism), right=stopped_path_bound(case.model_part, case.discount, 0.5))


def _lower_bound(case: Case) -> Measurement:
    bound = theorem1_bound(case.divergence, case.discount, 1.0, SQRT_2)
    return Measurement(left=max(case.optimism, 0.0), right=bound)


def _unbounded(case: Case) -> Measurement:
    """The sharp form with the quadratic reward and the largest |r| among the data in the place of r_max."""
    largest = float(np.abs(case.quadratic.reward(case.data)).max())
    gap = abs(case.quadratic_return - case.quadratic_return_in_model)
    rounding = 1e-9 * max(abs(case.quadratic_return), abs(case.quadratic_return_in_model))
    bound = theorem1_bound(case.model_part, case.discount, largest, sharp_constant(case.discount))
    return Measurement(left=gap if gap > rounding else 0.0, right=bound)


def _riccati(case: Case) -> Measurement | None:
    """Cost -J of the Riccati optimum against the least cost of other policies: the case's own, and neighbors of it."""
    size = case.mdp.dynamics.state_size
    if np.linalg.eigvalsh(case.mdp.reward.matrix[size:, size:]).min() <= 1e-9:
        return None  # actions that cost nothing
    optimum = optimal_policy(case.quadratic)
    generator = case.generator("neighbors")
    others = [case.policy, case.behavior]
    for distance in np.logspace(-3.0, -1.0, _OTHER_POLICIES):
        gain, offset = (
            part + distance * generator.standard_normal(part.shape) for part in (optimum.gain, optimum.offset)
        )
        others.append(AffineGaussianPolicy(gain, offset, optimum.covariance))
    costs = [-_return(case, policy) for policy in others]
    return Measurement(left=-_return(case, optimum), right=min(costs))


def _return(case: Case, policy: AffineGaussianPolicy) -> float:
    return quadratic_value(case.quadratic, policy).expected_return(case.quadratic)


CLAIMS = (
    Claim(
        name="gaussian-return-two-routes",
        source="AMPL, Eq. 1",
        statement="(1-γ) E_{μ0,π}[Q] = E_{d_π}[r], r = -x'Wx (left: Lyapunov equation, right: sum over steps)",
        relation=Relation.EQUAL,
        measure=_return_by_two_routes,
        expected=Verdict.HOLDS,
        tolerance=1e-7,  # of solves near the edge of stability
        kind="continuous",
    ),
    Claim(
        name="gaussian-riccati-optimum",
        source="discounted Riccati equation",
        statement="no affine policy costs less than the Riccati optimum, r = -x'Wx (left: its cost, right: the least)",
        relation=Relation.AT_MOST,
        measure=_riccati,
        expected=Verdict.HOLDS,
        tolerance=1e-7,
        kind="continuous",
    ),
    Claim(
        name="gaussian-chain-rule",
        source="AMPL, section 3.1",
        statement="D_π = E_{d_π}[KL(P*‖P̂)] + E_{d_π,P*}[KL(π_b‖π)]",
        relation=Relation.EQUAL,
        measure=_chain_rule,
        expected=Verdict.HOLDS,
        tolerance=1e-7,  # a policy that is all but deterministic has covariances of condition 1e6
        kind="continuous",
    ),
    Claim(
        name="gaussian-theorem1-printed",
        source="AMPL, Theorem 1 with c = 1/√2",
        statement="|J(π,P*) - J(π,P̂)| <= (1/√2) γ r_max/(1-γ) √D_π, rewards in [0, r_max]",
        relation=Relation.AT_MOST,
        measure=_theorem1(lambda _: 1.0 / SQRT_2),
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-theorem1-sqrt2",
        source="AMPL, Theorem 1 with c = √2",
        statement="|J(π,P*) - J(π,P̂)| <= √2 γ r_max/(1-γ) √D_π",
        relation=Relation.AT_MOST,
        measure=_theorem1(lambda _: SQRT_2),
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-theorem1-sharp",
        source="finding on AMPL, Theorem 1",
        statement="|J(π,P*) - J(π,P̂)| <= γ r_max √(2 D/(1-γ)), D = E_{d_π}[KL(P*‖P̂)]",
        relation=Relation.AT_MOST,
        measure=_theorem1(sharp_constant, part="model_part"),
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-theorem1-sharp-half",
        source="finding on AMPL, Theorem 1",
        statement="half of the sharp bound suffices, for rewards lie in [0, r_max]",
        relation=Relation.AT_MOST,
        measure=_theorem1(lambda discount: sharp_constant(discount) / 2.0, part="model_part"),
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-theorem1-never-vacuous",
        source="finding on AMPL, Theorem 1",
        statement="|J(π,P*) - J(π,P̂)| <= γ r_max min(√(D/(2(1-γ))), √(1 - exp(-D/(1-γ)))), rewards in [0, r_max]",
        relation=Relation.AT_MOST,
        measure=_never_vacuous,
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-lower-bound",
        source="AMPL, Eq. 7",
        statement="J(π,P*) >= J(π,P̂) - √2 γ r_max/(1-γ) √D_π (left: the loss, right: the bound)",
        relation=Relation.AT_MOST,
        measure=_lower_bound,
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-theorem1-unbounded",
        source="finding on AMPL, Theorem 1",
        statement="the sharp bound with r = -x'Wx and r_max the largest |r| in 1,000 rows of data",
        relation=Relation.AT_MOST,
        measure=_unbounded,
        expected=Verdict.FAILS_AS_PRINTED,
        kind="continuous",
    ),
)
