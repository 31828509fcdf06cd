"""Marginal importance weights w* = d_pi / d_b, whether their second moment exists, and how near estimates come."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

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


class Agreement(NamedTuple):
    """How near estimated weights of mean one come to w* over the data."""

    error: float  # E_b|w - w*|
    rank_correlation: float  # Spearman's; 0 where all weights are equal
    effective_share: float  # of the estimated weights, see `effective_share`


def agreement(weights: Floats, exact: Floats) -> Agreement:
    """Of estimated weights with w* at the same rows, [N] each."""
    rank = float(spearmanr(weights, exact).statistic) if np.ptp(weights) > 0.0 else 0.0
    return Agreement(float(np.abs(weights - exact).mean()), rank, effective_share(weights))


def effective_share(weights: Floats) -> float:
    """(sum w)^2 / (N sum w^2): the share of the rows that as many equal weights would be worth."""
    return float(weights.sum() ** 2 / (len(weights) * np.square(weights).sum()))
