"""Kullback-Leibler divergences under an occupancy: the two parts of AMPL's D_pi."""

from __future__ import annotations

import numpy as np

from ampl.errors import InvalidArgumentError
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.mixtures import GaussianMixture
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics
from continuous.linear_gaussian.square_roots import triangular_root

_NEAR = 0.5  # relative change of all variances up to which their logarithms are taken of the changes alone


def model_divergence(occupancy: GaussianMixture, truth: LinearDynamics, model: LinearDynamics) -> float:
    """E_{d}[KL(P*(.|s, a) || P_hat(.|s, a))] in nats, the model part of D_pi (AMPL, Theorem 1).

    Args:
        occupancy: d over (s, a).
        truth: P*.
        model: P_hat.

    Raises:
        InvalidDistributionError: a model without noise, or dynamics without noise, where the divergence is infinite.
    """
    apart = truth.matrix - model.matrix
    return _mean_divergence(occupancy, apart, truth.offset - model.offset, truth.covariance, model.covariance)


def policy_divergence(occupancy: GaussianMixture, policy: AffineGaussianPolicy, other: AffineGaussianPolicy) -> float:
    """E_{d}[KL(pi(.|s) || other(.|s))] in nats, over the states of d.

    Raises:
        InvalidDistributionError: a deterministic policy, where the divergence is infinite.
    """
    apart = np.hstack((policy.gain - other.gain, np.zeros((policy.action_size, policy.action_size))))
    return _mean_divergence(occupancy, apart, policy.offset - other.offset, policy.covariance, other.covariance)


def _mean_divergence(
    occupancy: GaussianMixture, matrix: Floats, offset: Floats, covariance: Floats, other: Floats
) -> float:
    """E[KL(N(G x + g, covariance) || N(0, other))]."""
    size = occupancy.means.shape[1]
    if matrix.shape[1] != size:
        raise InvalidArgumentError(
            f"the occupancy is over {size} numbers; expected {matrix.shape[1]}: states and actions."
        )
    whiten = np.asarray(np.linalg.inv(triangular_root(other, "so the divergence is infinite.")), dtype=np.float64)
    means_apart = occupancy.expectation_of_square(whiten @ matrix, whiten @ offset)
    return 0.5 * (means_apart + _spread_apart(covariance, other, whiten))


def _spread_apart(covariance: Floats, other: Floats, whiten: Floats) -> float:
    """trace(C) - n - log det C with C = other^(-1) covariance, of which `whiten` is a root's inverse.

    Near one another the three are far larger than what is left of them; the eigenvalues of C - I lose nothing there.
    """
    root = triangular_root(covariance, "so the divergence is infinite.")
    change = np.linalg.eigvalsh(whiten @ (covariance - other) @ whiten.T)
    if np.abs(change).max() < _NEAR:
        return float((change - np.log1p(change)).sum())
    spread = float(np.square(whiten @ root).sum())
    return spread - len(root) - 2.0 * float(np.log(np.diagonal(whiten)).sum() + np.log(np.diagonal(root)).sum())
