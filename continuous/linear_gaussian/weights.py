"""Marginal importance weights w* = d_pi / d_b, and whether their second moment exists."""

from __future__ import annotations

from enum import Enum

import numpy as np

from ampl.errors import InvalidDistributionError
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.mixtures import GaussianMixture


class SecondMoment(Enum):
    """Of the weights under the data."""

    FINITE = "finite"
    INFINITE = "infinite"
    UNDECIDED = "undecided"


def log_weights(occupancy: GaussianMixture, data: GaussianMixture, pairs: Floats) -> Floats:
    """log w*(s, a) = log d_pi - log d_b: from x = (s, a), [N, D + A], to [N].

    Raises:
        InvalidDistributionError: one of the two has no density.
    """
    return occupancy.log_density(pairs) - data.log_density(pairs)


def second_moment(occupancy: GaussianMixture, data: GaussianMixture) -> SecondMoment:
    """Whether E_b[w*^2] = E_pi[w*] is finite: then means of weighted rows have standard errors.

    N_pi^2 / N_b is integrable where 2 V_pi^{-1} - V_b^{-1} is positive definite. The moment is finite if every
    component of d_pi finds such a component of d_b. It is infinite if one component of d_pi has a direction in which
    its variance is more than twice that of every component of d_b; the eigenvectors of these differences are tried.

    Raises:
        InvalidDistributionError: one of the two has no density.
    """
    try:
        precisions, reached = np.linalg.inv(data.covariances), np.linalg.inv(occupancy.covariances)
    except np.linalg.LinAlgError as error:
        raise InvalidDistributionError("a component's covariance is singular: there are no weights.") from error
    decided = SecondMoment.FINITE
    for precision in reached:
        apart = 2.0 * precision - precisions  # [T, n, n]
        least, vectors = np.linalg.eigh(apart)
        if (least[:, 0] > 0.0).any():
            continue
        directions = vectors[:, :, 0]  # [T, n]
        along = np.einsum("di,tij,dj->dt", directions, apart, directions)
        if (along.max(1) < 0.0).any():
            return SecondMoment.INFINITE
        decided = SecondMoment.UNDECIDED
    return decided
