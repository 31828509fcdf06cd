"""Mixtures of Gaussians: discounted occupancies, and the law of a dataset's rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ampl.errors import InvalidArgumentError, check_at_least
from continuous.linear_gaussian.checks import Floats, checked_array
from continuous.linear_gaussian.marginals import (
    check_discounted_moments,
    discount_horizon,
    has_settled,
    state_marginals,
)
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP
from continuous.linear_gaussian.square_roots import square_root, triangular_root

_LARGEST_LOG_VARIANCE = 600.0  # of a state, beside the start's
_AT_ONCE = 2**21  # numbers in an intermediate array of densities


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """sum_i c_i N(mean_i, covariance_i).

    Attributes:
        shares: c, sum to one, [T].
        means: [T, n].
        covariances: [T, n, n].
    """

    shares: Floats
    means: Floats
    covariances: Floats

    def log_density(self, points: Floats) -> Floats:
        """Log density with respect to Lebesgue measure: from [N, n] to [N].

        Raises:
            InvalidDistributionError: a component without a density, as of a deterministic policy.
            InvalidShapeError, InvalidArgumentError: points of another size, or that are not finite.
        """
        points = checked_array("points", points, (None, self.means.shape[1]))
        roots = triangular_root(
            self.covariances,
            "so the mixture has no density; give the policy, and the start or the dynamics, positive definite ones.",
        )
        n = self.means.shape[1]
        whiten = np.linalg.inv(roots)
        precisions = np.swapaxes(whiten, 1, 2) @ whiten
        center = self.shares @ self.means
        pulls = np.einsum("tij,tj->ti", precisions, self.means - center)
        levels = np.log(self.shares) - np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1) - 0.5 * n * np.log(2 * np.pi)
        levels -= 0.5 * np.einsum("ti,ti->t", pulls, self.means - center)
        # A log density is a quadratic function of the point: one matrix product gives every component at every point.
        coefficients = np.concatenate((-0.5 * precisions.reshape(-1, n * n), pulls, levels[:, None]), axis=1).T
        found = np.empty(len(points))
        size = max(1, _AT_ONCE // len(roots))
        for start in range(0, len(points), size):
            x = points[start : start + size] - center
            products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
            parts = np.concatenate((products, x, np.ones((len(x), 1))), axis=1) @ coefficients
            largest = parts.max(axis=1, keepdims=True)
            np.exp(np.subtract(parts, largest, out=parts), out=parts)
            found[start : start + size] = largest[:, 0] + np.log(parts.sum(axis=1))
        return found

    def sample(self, count: int, generator: np.random.Generator) -> Floats:
        """Independent draws, [count, n]."""
        chosen = generator.choice(len(self.shares), count, p=self.shares)
        roots = square_root(self.covariances)
        noise = generator.standard_normal((count, self.means.shape[1]))
        return self.means[chosen] + np.einsum("pij,pj->pi", roots[chosen], noise)

    def expectation_of_square(self, matrix: Floats, offset: Floats | float = 0.0) -> float:
        """E[(G x + g)' (G x + g)] for a matrix G, [k, n], and an offset g, [k]."""
        means = self.means @ matrix.T + offset
        spread = np.einsum("ki,tij,kj->t", matrix, self.covariances, matrix)
        return float(self.shares @ (np.square(means).sum(1) + spread))


def occupancy(
    mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, dynamics: LinearDynamics | None = None
) -> GaussianMixture:
    """d_pi = (1 - gamma) sum_t gamma^t law of (s_t, a_t), cut where gamma^t and gamma^t V_t are 1e-12 of the start's.

    Steps after which the law no longer changes are one component.

    Args:
        mdp: the problem.
        policy: pi.
        dynamics: in place of the MDP's own, such as a model.

    Raises:
        InvalidArgumentError: a closed loop so unstable that d_pi has no variance, or nearly so.
    """
    radius = check_discounted_moments(mdp, policy, dynamics)
    steps = discount_horizon(mdp.discount, max(1.0, radius**2))
    if steps * math.log(max(1.0, radius**2)) > _LARGEST_LOG_VARIANCE:
        raise InvalidArgumentError(
            f"the closed loop A + B K has spectral radius {radius:.9g}, so near 1 / sqrt(discount) that variances "
            f"overflow before their discounted ones are negligible, after {steps:,} steps."
        )
    means, covariances, shares = [], [], []
    before: tuple[Floats, Floats] | None = None
    for step, law in enumerate(islice(state_marginals(mdp, policy, dynamics), steps)):
        means.append(law[0])
        covariances.append(law[1])
        shares.append((1.0 - mdp.discount) * mdp.discount**step)
        if before is not None and has_settled(before, law):
            shares[-1] = max(1.0 - sum(shares[:-1]), 0.0)  # of this law from here on
            break
        before = law
    joint = policy.joint(np.stack(means), np.stack(covariances))
    return GaussianMixture(np.array(shares) / sum(shares), *joint)


def episode_law(mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, length: int) -> GaussianMixture:
    """Law of a row (s, a) of a dataset: uniform over the steps of episodes of `length` steps."""
    check_at_least("length", length, 1)
    laws = list(islice(state_marginals(mdp, policy), length))
    joint = policy.joint(np.stack([mean for mean, _ in laws]), np.stack([covariance for _, covariance in laws]))
    return GaussianMixture(np.full(length, 1.0 / length), *joint)
