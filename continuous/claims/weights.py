"""Claims about w* = d_pi / d_b and the equations meant to find it: Eqs. 9 and 10.  Source: docs/theory.md, 2 and 3.

An expectation of weighted data is one under d_pi, E_b[w* f] = E_{d_pi}[f], and d_pi is a mixture of Gaussians, for
which quadratic functions and exp(-x'Wx/2) have exact means. T pushes d_pi one step on and mixes in the start.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from continuous.claims.case import Case
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.families import random_covariance
from continuous.linear_gaussian.mixtures import GaussianMixture
from continuous.linear_gaussian.rewards import BoundedReward
from continuous.linear_gaussian.weights import log_weights

_POINTS = 64
COMPONENTS = 250  # of a mixture whose density is taken
_GRID_WORK = 2**21  # points times components of the occupancies that an integral on a grid may take


def _start(case: Case) -> GaussianMixture:
    """The law of (s_0, a_0)."""
    mean, spread = case.policy.joint(case.mdp.initial_mean, case.mdp.initial_covariance)
    return GaussianMixture(np.ones(1), mean[None], spread[None])


def after_operator(case: Case, law: GaussianMixture) -> GaussianMixture:
    """(T w) d_b for w d_b = law: gamma times the law of the next pair under pi, and (1 - gamma) times the start."""
    start, after = _start(case), case.next_pairs(law, case.policy)
    return GaussianMixture(
        np.concatenate(((1.0 - case.discount) * start.shares, case.discount * after.shares)),
        np.concatenate((start.means, after.means)),
        np.concatenate((start.covariances, after.covariances)),
    )


def _fixed_point(case: Case) -> Measurement | None:
    """The largest |T w* / w* - 1| at points of d_pi; the density of the data cancels."""
    if len(case.policy_occupancy.shares) > COMPONENTS:
        return None
    points = case.policy_occupancy.sample(_POINTS, case.generator("points"))
    pushed = after_operator(case, case.policy_occupancy)
    pushed = GaussianMixture(*(part[pushed.shares > 0.0] for part in (pushed.shares, pushed.means, pushed.covariances)))
    off = np.expm1(pushed.log_density(points) - case.policy_occupancy.log_density(points))
    return Measurement(left=float(np.abs(off).max()), right=0.0)


def _moments(law: GaussianMixture, matrix: Floats, vector: Floats, constant: float) -> float:
    """E[x'Hx + 2h'x + c]."""
    square = np.einsum("ti,ij,tj->t", law.means, matrix, law.means) + np.einsum("ij,tji->t", matrix, law.covariances)
    return float(law.shares @ (square + 2.0 * law.means @ vector + constant))


def _mean_of_bell(bell: BoundedReward, law: GaussianMixture, center: Floats) -> float:
    """E[exp(-(x - center)' W (x - center) / 2)]."""
    return float(law.shares @ bell.expectation(law.means - center, law.covariances))


def _every_test_function(case: Case) -> Measurement:
    """E_b[w* (f - gamma P_pi f)] against (1 - gamma) E[f(s_0, a_0)] for bells of three widths at the mean of d_pi."""
    occupancy, pushed = case.policy_occupancy, after_operator(case, case.policy_occupancy)
    generator, center = case.generator("test functions"), occupancy.shares @ occupancy.means
    bells = [BoundedReward(random_covariance(len(center), generator) / width) for width in (0.1, 1.0, 10.0)]
    off = [_mean_of_bell(bell, occupancy, center) - _mean_of_bell(bell, pushed, center) for bell in bells]
    return Measurement(left=float(np.abs(off).max()), right=0.0)


def _moment_is_the_return(case: Case) -> Measurement:
    """Both sides of Eq. 10 with the quadratic Q_pi against E_{d_pi}[r] by the sum over steps, in units of that."""
    dynamics, value, occupancy = case.mdp.dynamics, case.value, case.policy_occupancy
    weight = case.quadratic.reward.matrix
    matrix = case.discount * dynamics.matrix.T @ value.matrix @ dynamics.matrix - weight  # Q = x'Hx + 2h'x + c
    vector = case.discount * dynamics.matrix.T @ (value.matrix @ dynamics.offset + value.vector)
    constant = case.discount * (float(value(dynamics.offset)) + value.of_noise(dynamics.covariance))
    after = case.next_pairs(occupancy, case.policy)
    tested = _moments(occupancy, matrix, vector, constant) - case.discount * _moments(after, matrix, vector, constant)
    started = (1.0 - case.discount) * _moments(_start(case), matrix, vector, constant)
    returned = -_moments(occupancy, weight, np.zeros(len(weight)), 0.0)
    off = max(abs(tested - returned), abs(started - returned)) / max(abs(returned), 1e-300)
    return Measurement(left=off, right=0.0)


def other_solution(case: Case) -> GaussianMixture | None:
    """A law w d_b other than d_pi with w >= 0 of mean one that satisfies Eq. 10 with Q_pi, E_b[w r] = J.

    p g + (1 - p) g' with a narrow Gaussian g where the reward is largest, another g' where it is nearly nothing, and p
    such that the mean reward is J; None where J is nearly nothing itself.
    """
    weight = case.mdp.reward.matrix
    values, vectors = np.linalg.eigh(weight)
    far = 6.0 * vectors[:, -1] / np.sqrt(values[-1])
    narrow = 0.01 / values[-1] * np.eye(len(weight))
    means, spreads = np.stack((0.0 * far, far)), np.stack((narrow, narrow))
    most, least = case.mdp.reward.expectation(means, spreads)
    if not least < case.expected_return < most:
        return None
    share = (case.expected_return - least) / (most - least)
    return GaussianMixture(np.array([share, 1.0 - share]), means, spreads)


def _moment_determines_weights(case: Case) -> Measurement | None:
    """A lower bound of TV(w d_b, d_pi): means of a function in [0, 1] under two laws differ by at most that."""
    other = other_solution(case)
    if other is None:
        return None
    weight = case.mdp.reward.matrix
    bell = BoundedReward(10.0 * np.linalg.eigvalsh(weight)[-1] * np.eye(len(weight)))
    apart = [
        _mean_of_bell(bell, other, center) - _mean_of_bell(bell, case.policy_occupancy, center)
        for center in other.means
    ]
    return Measurement(left=float(np.abs(apart).max()), right=0.0)


@lru_cache(maxsize=1)
def _on_grid(case: Case) -> tuple[Floats, Floats] | None:
    """Points (s, a) and E_b's terms d_b w* (s, a) ds da of a grid, [N, 2] and [N]; None where it would be too large.

    The trapezoidal rule on a smooth density converges faster than any power once its step is below the standard
    deviation of the narrowest factor: of a state's law, of the action given the state, and of the reward's bell.
    """
    if case.size != (1, 1):
        return None
    law, weight, policy = case.policy_occupancy, case.mdp.reward.matrix, case.policy
    deviations, centers = np.sqrt(law.covariances[:, 0, 0]), law.means[:, 0]
    action = float(np.sqrt(policy.covariance[0, 0]))
    along = np.array([1.0, policy.gain[0, 0]])
    step = 0.6 / np.sqrt(1.0 / deviations.min() ** 2 + along @ weight @ along)
    aside = 0.6 / np.sqrt(1.0 / action**2 + weight[1, 1])
    states = np.arange((centers - 9.0 * deviations).min(), (centers + 9.0 * deviations).max(), step)
    beside = np.arange(-9.0 * action, 9.0 * action, aside)
    components = len(law.shares) + 2 * len(case.behavior_occupancy.shares)
    if len(states) * len(beside) * components > _GRID_WORK:
        return None
    actions = policy.mean(states[:, None]) + beside
    points = np.stack((np.broadcast_to(states[:, None], actions.shape), actions), axis=-1).reshape(-1, 2)
    log_data = _log_density_of_data(case, states, actions).ravel()
    return points, np.exp(log_data + log_weights(law, case.behavior_occupancy, points)) * step * aside


def _log_density_of_data(case: Case, states: Floats, actions: Floats) -> Floats:
    """log d_b by its two factors, from states [N] and actions [N, M] to [N, M].

    The weights divide by the density of the joint Gaussians. Were they multiplied by that again, it would cancel and an
    error in it would change nothing.
    """
    data, behavior = case.behavior_occupancy, case.behavior
    parts = norm.logpdf(states[:, None], data.means[:, 0], np.sqrt(data.covariances[:, 0, 0]))
    of_state = logsumexp(parts, axis=1, b=data.shares)
    of_action = norm.logpdf(actions, behavior.mean(states[:, None]), np.sqrt(behavior.covariance[0, 0]))
    log_density: Floats = of_state[:, None] + of_action
    return log_density


def _mean_weight(case: Case) -> Measurement | None:
    found = _on_grid(case)
    return None if found is None else Measurement(left=float(found[1].sum()), right=1.0)


def _weighted_reward(case: Case) -> Measurement | None:
    found = _on_grid(case)
    if found is None:
        return None
    points, terms = found
    return Measurement(left=float(terms @ case.mdp.reward(points)), right=case.expected_return)


CLAIMS = (
    Claim(
        name="gaussian-weights-mean",
        source="AMPL, Eq. 9",
        statement="E_b[w*] = 1 (left: an integral over (s,a) on a grid)",
        relation=Relation.EQUAL,
        measure=_mean_weight,
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-weights-return",
        source="AMPL, Eq. 1",
        statement="E_b[w* r] = J(π,P*) (left: an integral over (s,a) on a grid, right: sum over steps)",
        relation=Relation.EQUAL,
        measure=_weighted_reward,
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-weights-fixed-point",
        source="AMPL, Eq. 9",
        statement="w* = d_π / d_b satisfies w* = T w* (left: the largest relative difference at 64 pairs)",
        relation=Relation.EQUAL,
        measure=_fixed_point,
        expected=Verdict.HOLDS,
        tolerance=1e-7,  # exponents of densities of narrow policies
        kind="continuous",
    ),
    Claim(
        name="gaussian-moment-condition",
        source="AMPL, Eq. 10",
        statement="w* satisfies Eq. 10 with every test function (bells of three widths)",
        relation=Relation.EQUAL,
        measure=_every_test_function,
        expected=Verdict.HOLDS,
        kind="continuous",
    ),
    Claim(
        name="gaussian-moment-is-the-return",
        source="finding on AMPL, Eq. 10",
        statement="with Q_π under P* as the test function both sides of Eq. 10 are J(π,P*), r = -x'Wx",
        relation=Relation.EQUAL,
        measure=_moment_is_the_return,
        expected=Verdict.HOLDS,
        tolerance=1e-7,  # near the edge of stability
        kind="continuous",
    ),
    Claim(
        name="gaussian-moment-determines-weights",
        source="AMPL, Eqs. 10-11 (implied)",
        statement="Eq. 10 with Q_π as its only test function determines w (left: no more than TV of w d_b to d_π)",
        relation=Relation.EQUAL,
        measure=_moment_determines_weights,
        expected=Verdict.FAILS_AS_PRINTED,
        kind="continuous",
    ),
)
