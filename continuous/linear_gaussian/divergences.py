"""Kullback-Leibler divergences under an occupancy: the two parts of AMPL's D_pi."""

from __future__ import annotations

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidDistributionError
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.mixtures import GaussianMixture
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics


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
    try:
        root, other_root = np.linalg.cholesky(covariance), np.linalg.cholesky(other)
    except np.linalg.LinAlgError as error:
        raise InvalidDistributionError("a covariance is singular, so the divergence is infinite.") from error
    log_ratio = 2.0 * float(np.log(np.diagonal(other_root)).sum() - np.log(np.diagonal(root)).sum())
    spread = float(np.square(np.linalg.solve(other_root, root)).sum())
    whiten = np.linalg.inv(other_root)
    return 0.5 * (
        occupancy.expectation_of_square(whiten @ matrix, whiten @ offset) + spread - len(covariance) + log_ratio
    )
