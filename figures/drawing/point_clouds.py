"""Clouds of points in many dimensions: a plane to see them in, and a number that says how far apart two are.

Source: Székely and Rizzo, "Energy statistics: a class of statistics based on distances" (2013), for the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from figures.inputs.records import Numbers

_CONSTANT = 1e-6  # relative to its size: a column that spreads less is constant


@dataclass(frozen=True, kw_only=True)
class Plane:
    """The first two principal components of standardized points.

    Attributes:
        center, scale: [D] what standardizes a point: (x - center) / scale.
        directions: [D, 2] orthonormal, the largest entry of each positive; zero where D is one.
        shares: [2] share of the standardized variance along each.
    """

    center: Numbers
    scale: Numbers
    directions: Numbers
    shares: Numbers

    def standardize(self, points: Numbers) -> Numbers:
        """Points [n, D] in units of the pooled standard deviations."""
        return (points - self.center) / self.scale

    def project(self, points: Numbers) -> Numbers:
        """Where points [n, D] are in the plane, [n, 2]."""
        return self.standardize(points) @ self.directions


def fit_plane(clouds: Sequence[Numbers]) -> Plane:
    """The plane of all clouds together, [n, D] each."""
    pooled = np.concatenate(clouds)
    center, scale = pooled.mean(axis=0), pooled.std(axis=0)
    scale = np.where(scale > _CONSTANT * np.maximum(np.abs(center), 1.0), scale, 1.0)
    standardized = (pooled - center) / scale
    variances, directions = np.linalg.eigh(standardized.T @ standardized / len(pooled))
    variances, directions = variances[::-1][:2], directions[:, ::-1][:, :2]
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    total = max(float(standardized.var(axis=0).sum()), np.finfo(np.float64).tiny)
    missing = 2 - len(variances)
    return Plane(
        center=center,
        scale=scale,
        directions=np.pad(directions * signs, ((0, 0), (0, missing))),
        shares=np.pad(np.clip(variances / total, 0.0, 1.0), (0, missing)),
    )


def energy_coefficient(first: Numbers, second: Numbers) -> float:
    """How far two clouds are apart, 0 to 1: 0 where their distributions are the same.

    The energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'|, divided by its largest possible value, 2 E|X - Y|. A point's
    distance to itself counts, so that two samples of n points from one distribution come to about 1 / n.

    Args:
        first: [n, D].
        second: [m, D].
    """
    between = _mean_distance(first, second)
    if between == 0.0:
        return 0.0
    within = _mean_distance(first, first) + _mean_distance(second, second)
    return max(0.0, 1.0 - within / (2.0 * between))


def _mean_distance(first: Numbers, second: Numbers) -> float:
    """Mean Euclidean distance over all pairs."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2.0 * first @ second.T  # [n, m]
    return float(np.sqrt(np.maximum(squares, 0.0)).mean())
