"""Square roots of covariances."""

from __future__ import annotations

import numpy as np

from ampl.errors import InvalidDistributionError
from continuous.linear_gaussian.checks import Floats

_SINGULAR = 1e-12  # a variance given the coordinates before it that is a smaller share of its own is rounding


def square_root(covariance: Floats) -> Floats:
    """L with L L' = covariance, which need not be definite, [..., n, n]."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.clip(values, 0.0, None))[..., None, :]
    return root


def root_by_units(covariance: Floats) -> Floats:
    """The same, where coordinates in units of very different sizes all keep their digits, [..., n, n]."""
    unit = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    unit = np.where(unit > 0.0, unit, 1.0)[..., None]
    root: Floats = unit * square_root(covariance / (unit * unit.swapaxes(-1, -2)))
    return root


def triangular_root(covariance: Floats, consequence: str) -> Floats:
    """The lower triangular L with L L' = covariance, which must be definite, [..., n, n].

    Args:
        covariance: [..., n, n].
        consequence: what it means if one is singular, for the message.

    Raises:
        InvalidDistributionError: one is singular, up to rounding.
    """
    message = f"a covariance is singular, {consequence}"
    try:
        root = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise InvalidDistributionError(message) from error
    left = np.square(np.diagonal(root, axis1=-2, axis2=-1))
    if (left <= _SINGULAR * np.diagonal(covariance, axis1=-2, axis2=-1)).any():
        raise InvalidDistributionError(message)
    return root
